//! What the kernel says of time: the one file that asks it by a bare system call.

use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

use super::{KernelBoot, Source, now};

/// Set in `timex.status` while nobody keeps the clock right: at the start, after somebody has set it
/// by hand, and when the last correction is so long ago that the clock may be off by 16 s
/// (`adjtimex(2)`; Linux `kernel/time/ntp.c`).
const UNSYNCHRONISED: libc::c_int = libc::STA_UNSYNC;

/// This machine's kernel.
#[derive(Debug)]
pub struct Kernel {
    boot: KernelBoot,
}

impl Kernel {
    /// Asks which start of the kernel this is. Where it does not tell, it is taken for a new one.
    #[must_use]
    pub fn new() -> Self {
        let text = std::fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id"));
        let digits: String = text
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_hexdigit)
            // 60 bits, so that the number is positive.
            .take(15)
            .collect();
        let boot = i64::from_str_radix(&digits, 16).unwrap_or_else(|_| fastrand::i64(0..));
        Self { boot: KernelBoot(boot) }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Kernel {
    fn wall(&self) -> i64 {
        now().get()
    }

    fn uptime(&self) -> i64 {
        let time = clock_gettime(ClockId::Boottime);
        time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
    }

    fn kernel_boot(&self) -> KernelBoot {
        self.boot
    }

    #[expect(unsafe_code, reason = "no maintained library wraps adjtimex")]
    fn is_synchronised(&self) -> bool {
        // SAFETY: `timex` is a C struct of integers, for which all zeros are a value; with `modes` zero the
        // call only fills it, and the pointer is to a local of the right type.
        let (answer, status) = unsafe {
            let mut timex: libc::timex = std::mem::zeroed();
            (libc::adjtimex(&raw mut timex), timex.status)
        };
        answer >= 0 && status & UNSYNCHRONISED == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_on_and_names_its_start() {
        let kernel = Kernel::new();
        let before = kernel.uptime();
        assert!(before > 0 && kernel.uptime() >= before);
        assert_eq!(kernel.kernel_boot(), Kernel::new().kernel_boot());
        // Either answer is right; that there is one is what a machine can be asked for.
        let _: bool = kernel.is_synchronised();
    }
}
