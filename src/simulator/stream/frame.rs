//! Encodes the unmasked WebSocket frames of a server.
//!
//! In: opcode and payload · Out: [`Frame`] · Thread: any (pure).

use std::sync::Arc;

/// The bytes of one whole frame.
pub(in crate::simulator) type Frame = Arc<[u8]>;

/// A text message as an unmasked, unfragmented frame.
pub(in crate::simulator) fn text_frame(text: &str) -> Frame {
    frame(0x1, text.as_bytes())
}

/// Any frame, including invalid ones.
pub(in crate::simulator) fn frame(opcode: u8, payload: &[u8]) -> Frame {
    let mut bytes = Vec::with_capacity(payload.len() + 10);
    bytes.push(0x80 | opcode);
    match payload.len() {
        n @ 0..=125 => bytes.push(n as u8),
        n @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            bytes.push(127);
            bytes.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes.into()
}
