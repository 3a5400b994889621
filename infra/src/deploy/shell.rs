//! A command of somebody else's program: printed as one would type it, then run.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::Trouble;

/// A command line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    program: &'static str,
    arguments: Vec<String>,
}

impl Line {
    /// A program without arguments.
    pub(super) const fn new(program: &'static str) -> Self {
        Self { program, arguments: Vec::new() }
    }

    /// With these arguments behind the others.
    pub(super) fn add(mut self, more: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// At another endpoint than AWS's own.
    pub(super) fn at(self, endpoint: Option<&str>) -> Self {
        match endpoint {
            None => self,
            Some(url) => self.add(["--endpoint-url", url]),
        }
    }

    /// Prints it and runs it; what it says goes where this program's output goes.
    pub(super) async fn run(&self, folder: &Path, out: &mut impl Write) -> Result<(), Trouble> {
        self.print(folder, out)?;
        let status = self.command(folder).status().await;
        let status = status.map_err(|source| self.missing(source))?;
        if status.success() { Ok(()) } else { Err(self.failed(&status.to_string())) }
    }

    /// The same, and gives what it prints.
    pub(super) async fn output(
        &self,
        folder: &Path,
        out: &mut impl Write,
    ) -> Result<String, Trouble> {
        self.print(folder, out)?;
        let mut command = self.command(folder);
        let done = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).output().await;
        let done = done.map_err(|source| self.missing(source))?;
        if !done.status.success() {
            return Err(self.failed(&done.status.to_string()));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn print(&self, folder: &Path, out: &mut impl Write) -> Result<(), Trouble> {
        if folder == Path::new(".") {
            writeln!(out, "\n$ {self}")?;
        } else {
            writeln!(out, "\n$ cd {}; {self}", folder.display())?;
        }
        Ok(out.flush()?)
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).current_dir(folder).kill_on_drop(true);
        // The AWS CLI would hand its output to a pager, and wait for someone to leave it.
        command.env("AWS_PAGER", "");
        command
    }

    fn missing(&self, source: std::io::Error) -> Trouble {
        let remedy = match self.program {
            "aws" => "install the AWS CLI (https://aws.amazon.com/cli/)",
            _ => "install Rust, and cargo-lambda (https://www.cargo-lambda.info)",
        };
        Trouble::Command { line: self.to_string(), said: format!("{source}: {remedy}") }
    }

    fn failed(&self, status: &str) -> Trouble {
        Trouble::Command { line: self.to_string(), said: status.to_owned() }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for argument in &self.arguments {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
            if !argument.is_empty() && argument.bytes().all(plain) {
                write!(f, " {argument}")?;
            } else {
                write!(f, " '{}'", argument.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_printed_as_one_would_type_it() {
        let line =
            Line::new("aws").add(["s3", "it's", "", "a b", "Path=direct"]).at(Some("http://h:1"));
        assert_eq!(
            line.to_string(),
            r"aws s3 'it'\''s' '' 'a b' Path=direct --endpoint-url http://h:1"
        );
    }

    #[tokio::test]
    async fn what_a_command_prints_is_given_and_its_failure_is_told() {
        let folder = Path::new(".");
        let mut out = Vec::new();
        let said = Line::new("echo").add(["hello"]).output(folder, &mut out).await.unwrap();
        assert_eq!(said, "hello\n");
        assert_eq!(out, b"\n$ echo hello\n");
        let failed = Line::new("false").run(folder, &mut out).await.unwrap_err().to_string();
        assert!(failed.contains("false") && failed.contains('1'), "{failed}");
        let missing = Line::new("no-such-program").run(folder, &mut out).await.unwrap_err();
        assert!(missing.to_string().contains("install"), "{missing}");
    }
}
