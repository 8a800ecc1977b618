//! The terminal while `top` has it: its own screen, keys read one by one, all put back at the end.

use std::io::{self, Read as _, Write, stdin, stdout};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

/// What the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `q` or ctrl-C, or the terminal is gone.
    Quit,
    /// Any other key, or none.
    Other,
}

/// The terminal in its other mode. Dropping it puts the old mode back.
pub(super) struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn enter(out: &mut impl Write) -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut mode = before.clone();
        mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        mode.special_codes[SpecialCodeIndex::VMIN] = 0;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &mode)?;
        let terminal = Self { before };
        out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        out.flush()?;
        Ok(terminal)
    }

    /// Shows lines, as many and as much of them as fit.
    pub(super) fn draw(&self, lines: &[String], out: &mut impl Write) -> io::Result<()> {
        let size = tcgetwinsize(stdout())?;
        // A terminal that does not know its size says 0.
        let or = |known: u16, usual| {
            if known == 0 {
                usual
            } else {
                usize::from(known)
            }
        };
        let (rows, columns) = (or(size.ws_row, 24), or(size.ws_col, 80));
        let mut frame = String::from("\x1b[H");
        for (at, line) in lines.iter().take(rows).enumerate() {
            if at > 0 {
                frame.push_str("\r\n");
            }
            frame.extend(line.chars().take(columns));
            frame.push_str("\x1b[K");
        }
        frame.push_str("\x1b[J");
        out.write_all(frame.as_bytes())?;
        out.flush()
    }

    /// Waits for a key, at most so long.
    pub(super) fn wait(&self, limit: Duration) -> io::Result<Key> {
        let stdin = stdin();
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        let ready = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&limit));
        match ready {
            Ok(0) => return Ok(Key::Other),
            // The window's size has changed, for one.
            Err(rustix::io::Errno::INTR) => return Ok(Key::Other),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut keys = [0; 16];
        let read = stdin.lock().read(&mut keys)?;
        let quit = read == 0
            || keys[..read]
                .iter()
                .any(|key| matches!(key, b'q' | b'Q' | 3));
        Ok(if quit { Key::Quit } else { Key::Other })
    }
}

/// Shows the cursor and the screen that was there before.
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone. It is written to directly: whoever
        // prints to it holds the lock of the standard output, and has flushed each frame.
        rustix::io::write(rustix::stdio::stdout(), LEAVE).unwrap_or_default();
        tcsetattr(stdin(), OptionalActions::Now, &self.before).unwrap_or_default();
    }
}
