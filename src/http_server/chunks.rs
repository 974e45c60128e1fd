//! A body of a length that is not known before, as chunks (RFC 9112, 7.1), so that the peer notices if its end is missing.
//!
//! In: blocks of the body · Out: bytes for the wire · Thread: the connection's.

use std::io::{self, Write};

/// Writes each block as a chunk, or as it is for a peer that knows no chunks.
pub(crate) struct Chunks<W> {
    out: W,
    are_chunks: bool,
}

impl<W: Write> Chunks<W> {
    pub(crate) fn new(out: W, are_chunks: bool) -> Self {
        Self { out, are_chunks }
    }

    /// Ends the body. Without it the peer takes the body as incomplete.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.are_chunks {
            self.out.write_all(b"0\r\n\r\n")?;
        }
        self.out.flush()
    }
}

impl<W: Write> Write for Chunks<W> {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        // A chunk without bytes would end the body.
        if self.are_chunks && !block.is_empty() {
            self.out.write_all(format!("{:x}\r\n", block.len()).as_bytes())?;
            self.out.write_all(block)?;
            self.out.write_all(b"\r\n")?;
        } else {
            self.out.write_all(block)?;
        }
        Ok(block.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_is_a_chunk_and_the_end_is_one_without_bytes() {
        let body = |are_chunks| {
            let mut wire = Vec::new();
            let mut body = Chunks::new(&mut wire, are_chunks);
            for block in ["Hello", "", ", chunks of a body"] {
                body.write_all(block.as_bytes()).unwrap();
            }
            body.end().unwrap();
            String::from_utf8(wire).unwrap()
        };
        assert_eq!(body(true), "5\r\nHello\r\n12\r\n, chunks of a body\r\n0\r\n\r\n");
        assert_eq!(body(false), "Hello, chunks of a body");
    }
}
