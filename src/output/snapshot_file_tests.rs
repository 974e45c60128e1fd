//! The snapshot file on real directories.
//!
//! In: temporary directories · Out: assertions · Thread: the test's.

use super::*;
use crate::model::snapshot::OutputSnapshot;
use crate::output::testing::numbered;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is removed at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("genesys-stream-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn revision(path: &Path) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with("}\n"));
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["revision"]
        .as_u64()
        .unwrap()
}

#[test]
fn the_file_is_replaced_whole_and_nothing_else_is_left() {
    let directory = Directory::new();
    let path = directory.0.join("now.json");
    let counters = OutputCounters::default();
    let mut file = SnapshotFile::new(&path, Duration::ZERO, None).unwrap();
    file.take(Item::Snapshot(numbered(1)), &counters).unwrap();
    assert_eq!(revision(&path), 1);
    // A reader that opened the old file still reads the old one.
    let mut old = File::open(&path).unwrap();
    file.end(Some(numbered(2)), &counters).unwrap();
    assert_eq!(revision(&path), 2);
    let mut text = String::new();
    io::Read::read_to_string(&mut old, &mut text).unwrap();
    assert!(text.contains("\"revision\":1,"));
    assert_eq!(directory.names(), ["now.json"]);
    assert_eq!(counters.counts(), OutputSnapshot { written: 2, missed: 0 });
}

#[cfg(unix)]
#[test]
fn a_new_file_is_for_its_owner_only_and_later_permissions_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let path = directory.0.join("now.json");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let counters = OutputCounters::default();
    let mut file = SnapshotFile::new(&path, Duration::ZERO, None).unwrap();
    file.take(Item::Snapshot(numbered(1)), &counters).unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    file.take(Item::Snapshot(numbered(2)), &counters).unwrap();
    assert_eq!((mode(), revision(&path)), (0o644, 2));
}

#[cfg(unix)]
#[test]
fn permissions_that_are_named_are_set_on_new_and_existing_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let path = directory.0.join("now.json");
    let counters = OutputCounters::default();
    for (n, mode) in [(1, 0o644), (2, 0o640), (3, 0o600)] {
        let mut file = SnapshotFile::new(&path, Duration::ZERO, Some(mode)).unwrap();
        file.take(Item::Snapshot(numbered(n)), &counters).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn it_is_replaced_no_more_often_than_asked_and_at_the_end() {
    let directory = Directory::new();
    let path = directory.0.join("now.json");
    let counters = OutputCounters::default();
    let mut file = SnapshotFile::new(&path, Duration::from_secs(3600), None).unwrap();
    for n in 1..=3 {
        file.take(Item::Snapshot(numbered(n)), &counters).unwrap();
        assert_eq!(revision(&path), 1);
    }
    file.end(Some(numbered(4)), &counters).unwrap();
    assert_eq!(revision(&path), 4);
    assert_eq!(counters.counts(), OutputSnapshot { written: 2, missed: 0 });
}

#[test]
fn a_snapshot_a_little_too_early_is_in_time() {
    let directory = Directory::new();
    let mut file = SnapshotFile::new(&directory.0.join("f"), Duration::from_secs(10), None).unwrap();
    let start = Instant::now();
    let due: Vec<u64> = (0..=40)
        .filter(|n| file.is_due(start + Duration::from_millis(n * 950)))
        .collect();
    assert_eq!(due, [0, 10, 20, 30, 40]);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let directory = Directory::new();
    let (real, link) = (directory.0.join("real.json"), directory.0.join("link.json"));
    fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut file = SnapshotFile::new(&link, Duration::ZERO, None).unwrap();
    file.take(Item::Snapshot(numbered(3)), &OutputCounters::default())
        .unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(revision(&real), 3);
}

#[test]
fn snapshots_are_missed_while_the_directory_is_gone() {
    let directory = Directory::new();
    let sub = directory.0.join("sub");
    fs::create_dir(&sub).unwrap();
    let path = sub.join("now.json");
    let counters = OutputCounters::default();
    let mut file = SnapshotFile::new(&path, Duration::ZERO, None).unwrap();
    fs::remove_dir(&sub).unwrap();
    file.take(Item::Snapshot(numbered(1)), &counters).unwrap();
    file.take(Item::Snapshot(numbered(2)), &counters).unwrap();
    assert_eq!(counters.counts(), OutputSnapshot { written: 0, missed: 2 });
    fs::create_dir(&sub).unwrap();
    file.take(Item::Snapshot(numbered(3)), &counters).unwrap();
    assert_eq!(revision(&path), 3);
    assert_eq!(counters.counts(), OutputSnapshot { written: 1, missed: 2 });
}

#[test]
fn unusable_paths_are_reported_at_once() {
    let directory = Directory::new();
    let refusal = |path: &Path| {
        let error = SnapshotFile::new(path, Duration::ZERO, None).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let says = error.to_string();
        assert!(says.contains(&path.display().to_string()), "{says}");
        says
    };
    assert!(refusal(&directory.0).contains("not a regular file"));
    let missing = directory.0.join("missing").join("now.json");
    assert!(refusal(&missing).contains("is not a directory; create it first"));
    if cfg!(unix) {
        assert!(refusal(Path::new("/dev/null")).contains("not a regular file"));
    }
}

#[test]
fn old_temporary_files_are_removed_and_other_files_are_kept() {
    let directory = Directory::new();
    let path = directory.0.join("now.json");
    for name in [
        ".now.json.77.tmp",
        ".now.json.88.tmp",
        ".now.json.x.tmp",
        ".other.json.77.tmp",
    ] {
        fs::write(directory.0.join(name), "half").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - 2 * LEFTOVER_AGE;
    for name in [".now.json.77.tmp", ".now.json.x.tmp", ".other.json.77.tmp"] {
        let file = File::options().write(true).open(directory.0.join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    SnapshotFile::new(&path, Duration::ZERO, None).unwrap();
    // 88 is new: its process may still be writing it.
    assert_eq!(
        directory.names(),
        [".now.json.88.tmp", ".now.json.x.tmp", ".other.json.77.tmp"]
    );
}

#[test]
fn a_temporary_file_of_the_same_process_id_is_replaced() {
    let directory = Directory::new();
    let path = directory.0.join("now.json");
    let mut file = SnapshotFile::new(&path, Duration::ZERO, None).unwrap();
    fs::write(&file.temporary, "half").unwrap();
    file.take(Item::Snapshot(numbered(1)), &OutputCounters::default())
        .unwrap();
    assert_eq!(revision(&path), 1);
    assert_eq!(directory.names(), ["now.json"]);
}
