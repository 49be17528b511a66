//! `fmt` as people use it, and the form of this repository's own files.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const MESSY: &str = "locals {\na=1\n  bcd = 2\n}\n";
const CANONICAL: &str = "locals {\n  a   = 1\n  bcd = 2\n}\n";

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(directory: &Path, arguments: &[&str], input: Option<&str>) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_provisioner"))
        .arg("fmt")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(text.as_bytes()).expect("the program reads");
    }
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A directory with a file to format, one that is well, one that is none of ours, and a directory below.
fn bench() -> tempfile::TempDir {
    let bench = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        fs::write(bench.path().join(name), text).expect("the directory is ours");
    };
    fs::create_dir_all(bench.path().join("below/.hidden")).expect("the directory is ours");
    write("messy.hcl", MESSY);
    write("fine.hcl", CANONICAL);
    write("note.txt", MESSY);
    write("below/values.auto.hclvars", "x=1\n");
    write("below/.hidden/messy.hcl", MESSY);
    bench
}

fn read(bench: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(bench.path().join(name)).expect("the file is there")
}

#[test]
fn files_are_written_and_named() {
    let bench = bench();
    let first = run(bench.path(), &[], None);
    assert_eq!((first.code, first.out.as_str()), (Some(0), "messy.hcl\n"), "{}", first.err);
    assert_eq!(read(&bench, "messy.hcl"), CANONICAL);
    assert_eq!(read(&bench, "note.txt"), MESSY);
    assert_eq!(read(&bench, "below/values.auto.hclvars"), "x=1\n");
    let below = run(bench.path(), &["-r"], None);
    assert_eq!(below.out, "below/values.auto.hclvars\n");
    assert_eq!(read(&bench, "below/values.auto.hclvars"), "x = 1\n");
    assert_eq!(read(&bench, "below/.hidden/messy.hcl"), MESSY);
    assert_eq!(run(bench.path(), &["-r"], None).out, "");
}

#[test]
fn check_and_diff_write_nothing() {
    let bench = bench();
    let check = run(bench.path(), &["--check", "--diff"], None);
    assert_eq!(check.code, Some(3), "{}", check.err);
    assert!(check.out.contains("-a=1\n") && check.out.contains("+  a   = 1\n"), "{}", check.out);
    assert_eq!(run(bench.path(), &["--write=false"], None).out, "messy.hcl\n");
    assert_eq!(read(&bench, "messy.hcl"), MESSY);
    assert_eq!(run(bench.path(), &["--check", "fine.hcl"], None).code, Some(0));
    let json = run(bench.path(), &["--check", "--json"], None);
    let document: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(document["files"][1]["file"], "messy.hcl");
    assert_eq!(document["files"][1]["changed"], true);
}

#[test]
fn standard_input_gives_standard_output() {
    let bench = bench();
    let piped = run(bench.path(), &["-"], Some(MESSY));
    assert_eq!((piped.code, piped.out.as_str()), (Some(0), CANONICAL), "{}", piped.err);
    assert_eq!(run(bench.path(), &["-", "--check"], Some(MESSY)).code, Some(3));
}

#[test]
fn a_file_with_a_mistake_is_told_and_left() {
    let bench = bench();
    fs::write(bench.path().join("broken.hcl"), "a = [1\nb=2\n").expect("the directory is ours");
    let broken = run(bench.path(), &[], None);
    assert_eq!((broken.code, broken.out.as_str()), (Some(1), "messy.hcl\n"));
    assert!(broken.err.contains("broken.hcl:"), "{}", broken.err);
    assert_eq!(read(&bench, "broken.hcl"), "a = [1\nb=2\n");
    assert_eq!(read(&bench, "messy.hcl"), CANONICAL);
    let missing = run(bench.path(), &["nowhere.hcl"], None);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("nowhere.hcl"), "{}", missing.err);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let bench = bench();
    let path = bench.path().join("messy.hcl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("the file is ours");
    symlink("messy.hcl", bench.path().join("link.hcl")).expect("the directory is ours");
    run(bench.path(), &["link.hcl"], None);
    assert_eq!(read(&bench, "messy.hcl"), CANONICAL);
    let link = fs::symlink_metadata(bench.path().join("link.hcl")).expect("it is there");
    assert!(link.is_symlink());
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn the_files_of_this_repository_are_in_their_canonical_form() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let check = run(&repository, &["--check", "-r", "modules", "environments"], None);
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);
}
