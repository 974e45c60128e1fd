//! The audit file over runs, torn ends, rotations, full disks and vanished directories.
//!
//! In: files of a directory of their own · Out: assertions · Thread: the test's.

use super::*;
use crate::model::snapshot::OutputSnapshot;
use serde_json::Value;
use std::time::Duration;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gs-audit-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn item(n: u64) -> Item {
    let at = Moment::from_epoch_ms(7);
    Item::Audited(Arc::new(entries::token(Duration::from_secs(n), at, at)))
}

fn write(audit: &mut AuditFile, counters: &OutputCounters, numbers: std::ops::Range<u64>) {
    for n in numbers {
        audit.take(item(n), counters).unwrap();
    }
}

fn kinds(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let kind = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(value) => value["kind"].as_str().unwrap().to_owned(),
        Err(_) => "?".to_owned(),
    };
    text.lines().map(kind).collect()
}

/// Every line's `prev` is the hash of the line before, over all files; `FILE.2` before `FILE.1` before `FILE`.
fn assert_chained(paths: &[PathBuf]) {
    let mut chain: Option<Chain> = None;
    for path in paths {
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Ok(value) = serde_json::from_str::<Value>(line) {
                let expected = chain
                    .unwrap_or_else(Chain::beginning)
                    .line(&entries::torn(0, Moment::now()));
                let expected: Value = serde_json::from_slice(&expected).unwrap();
                assert_eq!(value["prev"], expected["prev"], "{line}");
            }
            chain = Some(Chain::after(line.as_bytes()));
        }
    }
}

#[test]
fn the_chain_goes_on_over_runs_and_torn_lines() {
    let directory = Directory::new("runs");
    let (path, counters) = (directory.file(), OutputCounters::default());
    let mut audit = AuditFile::new(&path, ROTATE_BYTES).unwrap();
    write(&mut audit, &counters, 0..2);
    audit.end(None, &counters).unwrap();
    drop(audit);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"at\":\"20");
    fs::write(&path, bytes).unwrap();
    let mut audit = AuditFile::new(&path, ROTATE_BYTES).unwrap();
    write(&mut audit, &counters, 2..3);
    assert_eq!(kinds(&path), ["token", "token", "stop", "?", "torn", "token"]);
    assert_chained(&[path]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(directory.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "for its owner only");
    }
}

#[test]
fn rotated_files_continue_the_chain_and_the_oldest_go() {
    let directory = Directory::new("rotation");
    let (path, counters) = (directory.file(), OutputCounters::default());
    let mut audit = AuditFile::new(&path, 600).unwrap();
    write(&mut audit, &counters, 0..20);
    // A crash between the rotation and the new file: the next start finds the end in `FILE.1`.
    drop(audit);
    fs::rename(&path, directory.0.join("lost")).unwrap();
    for number in (1..=8).rev() {
        if rotated(&path, number).exists() {
            fs::rename(rotated(&path, number), rotated(&path, number + 1)).unwrap();
        }
    }
    fs::rename(directory.0.join("lost"), rotated(&path, 1)).unwrap();
    let mut audit = AuditFile::new(&path, 600).unwrap();
    write(&mut audit, &counters, 20..24);
    let count = (1..=KEPT).take_while(|n| rotated(&path, *n).exists()).count() as u32;
    assert!(count >= 5, "{count}");
    let mut all: Vec<PathBuf> = (1..=count).rev().map(|n| rotated(&path, n)).collect();
    all.push(path.clone());
    assert_chained(&all);
    for file in &all {
        assert!(fs::metadata(file).unwrap().len() <= 600);
    }
    write(&mut audit, &counters, 24..100);
    assert!(rotated(&path, KEPT).exists() && !rotated(&path, KEPT + 1).exists());
    assert_eq!(
        counters.counts(),
        OutputSnapshot {
            written: 100,
            missed: 0
        }
    );
}

#[test]
fn what_a_vanished_directory_cost_is_counted_and_told() {
    let directory = Directory::new("vanished");
    let (path, counters) = (directory.file(), OutputCounters::default());
    let mut audit = AuditFile::new(&path, ROTATE_BYTES).unwrap();
    write(&mut audit, &counters, 0..2);
    let before = fs::read_to_string(&path).unwrap();
    fs::remove_dir_all(&directory.0).unwrap();
    write(&mut audit, &counters, 2..5);
    assert_eq!(counters.counts(), OutputSnapshot { written: 2, missed: 3 });
    fs::create_dir_all(&directory.0).unwrap();
    write(&mut audit, &counters, 5..6);
    let after = fs::read_to_string(&path).unwrap();
    let missed: Value = serde_json::from_str(after.lines().next().unwrap()).unwrap();
    assert_eq!((&missed["kind"], &missed["entries"]), (&"missed".into(), &3.into()));
    let last = before.lines().last().unwrap();
    assert_eq!(
        missed["prev"],
        crate::base::digest::sha256_hex(last.as_bytes()),
        "the chain goes on"
    );
    assert_eq!(kinds(&path), ["missed", "token"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_counted_and_told_once() {
    let counters = OutputCounters::default();
    let mut audit = AuditFile::new(Path::new("/dev/full"), ROTATE_BYTES).unwrap();
    write(&mut audit, &counters, 0..3);
    assert_eq!(counters.counts(), OutputSnapshot { written: 0, missed: 3 });
}

#[cfg(all(unix, feature = "cli"))]
#[test]
fn two_writers_are_refused() {
    let directory = Directory::new("two");
    let first = AuditFile::new(&directory.file(), ROTATE_BYTES).unwrap();
    let error = AuditFile::new(&directory.file(), ROTATE_BYTES).err().unwrap();
    assert_eq!(error.kind(), crate::ErrorKind::Configuration);
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    AuditFile::new(&directory.file(), ROTATE_BYTES).unwrap();
}

#[test]
fn a_wrong_path_is_told_at_once() {
    let directory = Directory::new("wrong");
    let error = AuditFile::new(&directory.0.join("no/audit"), ROTATE_BYTES)
        .err()
        .unwrap();
    assert!(error.to_string().contains("create it first"), "{error}");
    assert!(AuditFile::new(&directory.0, ROTATE_BYTES).is_err(), "a directory");
}
