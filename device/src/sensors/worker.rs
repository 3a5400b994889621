//! A sensor on a thread of its own, so that one that hangs holds up nobody else.

use std::thread::JoinHandle;
use std::time::Duration;

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, UnixMillis};
use tokio::sync::{mpsc, oneshot};

use super::Sensor;

type Answer = Result<Measurements, Fault>;

/// What a sensor says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) answer: Answer,
    /// When that was, where it was not now.
    pub(crate) at: Option<UnixMillis>,
    /// Nothing more will come, and this is no reading.
    pub(crate) done: bool,
}

/// Asks a sensor from async code, with a deadline.
pub(crate) struct Worker {
    /// Of capacity 1: a sensor that still works on one question is not asked another.
    questions: mpsc::Sender<oneshot::Sender<Said>>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start(name: &str, mut sensor: Box<dyn Sensor>) -> std::io::Result<Self> {
        let (questions, mut inbox) = mpsc::channel::<oneshot::Sender<Said>>(1);
        let thread =
            std::thread::Builder::new().name(format!("sensor-{name}")).spawn(move || {
                while let Some(reply) = inbox.blocking_recv() {
                    // Nobody waits any more where the deadline was missed: that was reported then.
                    let answer = sensor.read();
                    let (at, done) = (sensor.taken_at(), sensor.is_done());
                    drop(reply.send(Said { answer, at, done }));
                }
            })?;
        Ok(Self { questions, thread })
    }

    /// Asks the sensor. One that does not answer in time, or is still busy with an earlier
    /// question, is a [`Fault::Timeout`]; one whose thread has ended is a [`Fault::NotPresent`].
    pub(crate) async fn read(&self, deadline: Duration) -> Said {
        let failed = |fault| Said { answer: Err(fault), at: None, done: false };
        let (reply, answer) = oneshot::channel();
        match self.questions.try_send(reply) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return failed(Fault::Timeout),
            Err(mpsc::error::TrySendError::Closed(_)) => return failed(Fault::NotPresent),
        }
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => failed(Fault::NotPresent),
            Err(_) => failed(Fault::Timeout),
        }
    }

    /// Lets the thread end. One that hangs in its sensor cannot be ended: it is left behind and
    /// goes with the process.
    pub(crate) fn stop(self) {
        drop(self.questions);
        if self.thread.is_finished() && self.thread.join().is_err() {
            tracing::error!("the thread of a sensor panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::measurement;

    struct Scripted(std::sync::mpsc::Receiver<Answer>);

    impl Sensor for Scripted {
        fn read(&mut self) -> Answer {
            self.0.recv().unwrap_or(Err(Fault::BusError))
        }
    }

    fn value() -> Answer {
        Ok(Measurements::new(vec![measurement("temperature", 21.0).unwrap()]).unwrap())
    }

    #[tokio::test]
    async fn a_sensor_that_hangs_is_a_timeout_and_answers_again_when_it_comes_back() {
        let (script, sensor) = std::sync::mpsc::channel();
        let worker = Worker::start("x", Box::new(Scripted(sensor))).unwrap();
        let soon = Duration::from_millis(20);
        assert_eq!(worker.read(soon).await.answer, Err(Fault::Timeout));
        script.send(value()).unwrap();
        script.send(value()).unwrap();
        let mut answer = Err(Fault::Timeout);
        while answer == Err(Fault::Timeout) {
            answer = worker.read(soon).await.answer;
        }
        assert_eq!(answer, value());
        drop(script);
        worker.stop();
    }

    struct Panics;

    impl Sensor for Panics {
        fn read(&mut self) -> Answer {
            panic!("a driver with a bug")
        }
    }

    #[tokio::test]
    async fn a_sensor_whose_driver_panics_is_not_present() {
        let worker = Worker::start("x", Box::new(Panics)).unwrap();
        let deadline = Duration::from_secs(10);
        assert_eq!(worker.read(deadline).await.answer, Err(Fault::NotPresent));
        assert_eq!(worker.read(deadline).await.answer, Err(Fault::NotPresent));
        worker.stop();
    }
}
