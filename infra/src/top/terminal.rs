//! The one place that knows the terminal: its keys, its other screen, and how it is put back.

use std::io::{self, Stdout};
use std::mem::ManuallyDrop;

use crossterm::event::{Event as Seen, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use futures_util::StreamExt as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::draw::{Pen, draw};
use super::screen::{Key, Screen};

/// The terminal while it is ours. Dropped, and on a panic, it is as it was before.
#[derive(Debug)]
pub(super) struct Ours {
    /// Never dropped by itself: where the terminal is gone it would print that, to where nobody is.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    events: EventStream,
}

/// What the terminal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Key(Key),
    /// It has another size, or asks to be drawn anew.
    Redraw,
    /// Nothing more will come.
    Gone,
}

impl Ours {
    /// Takes the terminal: the other screen, no echo, keys at once.
    pub(super) fn take() -> io::Result<Self> {
        // Sets a panic hook that puts it back before the panic is told.
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal: ManuallyDrop::new(terminal), events: EventStream::new() })
    }

    /// Draws what has changed.
    pub(super) fn show(&mut self, screen: &Screen, pen: Pen<'_>) -> io::Result<()> {
        self.terminal.draw(|frame| draw(screen, pen, frame.area(), frame.buffer_mut()))?;
        Ok(())
    }

    /// The next thing that it tells.
    pub(super) async fn next(&mut self) -> Told {
        loop {
            match self.events.next().await {
                Some(Ok(event)) => {
                    match told(&event) {
                        // Whatever somebody else has written there is not among what has changed.
                        Some(Told::Redraw) if self.terminal.clear().is_err() => return Told::Gone,
                        Some(told) => return told,
                        None => {}
                    }
                }
                Some(Err(_)) | None => return Told::Gone,
            }
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // Of a terminal that is gone there is nothing to put back.
        let _gone = ratatui::try_restore();
        let _gone = crossterm::execute!(io::stdout(), crossterm::cursor::Show);
    }
}

fn told(event: &Seen) -> Option<Told> {
    let key = match event {
        Seen::Resize(..) => return Some(Told::Redraw),
        Seen::Key(key) if key.kind != KeyEventKind::Release => key,
        _ => return None,
    };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(Told::Key(match key.code {
        KeyCode::Char('c') if control => Key::Interrupt,
        KeyCode::Char('l') if control => return Some(Told::Redraw),
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(character) => Key::Character(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Told> {
        told(&Seen::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn keys_are_ours_or_nothing() {
        let none = KeyModifiers::NONE;
        assert_eq!(key(KeyCode::Char('j'), none), Some(Told::Key(Key::Character('j'))));
        assert_eq!(
            key(KeyCode::Char('G'), KeyModifiers::SHIFT),
            Some(Told::Key(Key::Character('G')))
        );
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Told::Key(Key::Interrupt)));
        assert_eq!(key(KeyCode::Char('x'), KeyModifiers::ALT), None);
        assert_eq!(key(KeyCode::F(1), none), None);
        assert_eq!(told(&Seen::Resize(80, 24)), Some(Told::Redraw));
    }
}
