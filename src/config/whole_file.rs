//! Small files, read whole: a longer one is refused, so that a device or a wrong path takes no memory.
//!
//! In: a path, the most bytes · Out: the bytes, or why not · Thread: the caller's.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads the file at `path`.
///
/// # Errors
/// Of the system, and [`io::ErrorKind::FileTooLarge`] where it has more than `most_bytes`.
pub(crate) fn read(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        let what = format!("it is longer than {most_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_limit() {
        let path = std::env::temp_dir().join(format!("gs-whole-{}", std::process::id()));
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"abc");
        assert_eq!(read(&path, 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        std::fs::remove_file(&path).unwrap();
        #[cfg(unix)]
        assert_eq!(
            read(Path::new("/dev/zero"), 1 << 16).unwrap_err().to_string(),
            "it is longer than 65536 bytes"
        );
    }
}
