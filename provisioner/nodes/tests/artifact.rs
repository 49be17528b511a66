//! Artifacts from addresses and files, and the bundles made of them.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]

use std::io::{Read as _, Write as _};
use std::path::Path;

use nodes::artifact::{Artifact, Cache, Cause, Selection, Source};

fn artifact(source: Source, sha256: String) -> Artifact {
    Artifact { source, sha256, paths: Vec::new(), declared_at: None }
}

/// A tar archive with two programs and a link.
fn tar_bytes() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode) in [("./usr/bin/tool", 0o755), ("./usr/share/doc/tool/README", 0o600)] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_mtime(1_234_567);
        header.set_size(path.len() as u64);
        builder.append_data(&mut header, path, path.as_bytes()).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "usr/bin/alias", "tool").unwrap();
    builder.into_inner().unwrap()
}

fn written(directory: &Path, name: &str, bytes: &[u8]) -> Artifact {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    artifact(Source::File(path), model::digest::sha256_hex(bytes))
}

/// Paths, modes and contents of a bundle.
fn listing(bundle: &Path) -> Vec<(String, u32, String)> {
    let file = std::fs::File::open(bundle).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        (path, entry.header().mode().unwrap(), content)
    });
    entries.collect()
}

#[tokio::test]
async fn every_format_gives_the_same_bundle() {
    let directory = tempfile::tempdir().unwrap();
    let plain = tar_bytes();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&plain).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&plain).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(
        plain.as_slice(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    let xz = xz.finish().unwrap();
    let mut deb = ar::Builder::new(Vec::new());
    for (name, bytes) in [("debian-binary", b"2.0\n".as_slice()), ("data.tar.xz", &xz)] {
        deb.append(&ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64), bytes).unwrap();
    }
    let formats = [plain.clone(), gz.finish().unwrap(), xz, zstd, deb.into_inner().unwrap()];
    let cache = Cache::new(directory.path().join("cache"));
    let mut digests = std::collections::BTreeSet::new();
    for (number, bytes) in formats.iter().enumerate() {
        let mut artifact = written(directory.path(), &format!("file{number}"), bytes);
        artifact.paths = vec![Selection::new("usr/bin", "bin")];
        let bundle = cache.bundle(&artifact).await.unwrap();
        digests.insert(bundle.sha256.clone());
        let expected = [
            ("bin/alias".to_owned(), 0o777, String::new()),
            ("bin/tool".to_owned(), 0o755, "./usr/bin/tool".to_owned()),
        ];
        assert_eq!(listing(&bundle.path), expected, "format {number}");
    }
    assert_eq!(digests.len(), 1, "the format leaves no trace");
}

#[tokio::test]
async fn a_missing_path_names_what_there_is_and_a_climbing_link_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().join("cache"));
    let mut artifact = written(directory.path(), "a.tar", &tar_bytes());
    artifact.paths = vec![Selection::new("bin/tool", "tool")];
    let error = cache.bundle(&artifact).await.unwrap_err();
    assert!(error.to_string().contains("usr/bin/tool"), "{error}");
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "a/b", "../../etc/passwd").unwrap();
    let climbing = written(directory.path(), "b.tar", &builder.into_inner().unwrap());
    let error = cache.bundle(&climbing).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::BadPath(_)), "{error}");
}

#[tokio::test]
async fn a_cache_that_was_changed_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("cache");
    let artifact = written(directory.path(), "tool", b"program");
    let bundle = Cache::new(&root).bundle(&artifact).await.unwrap();
    std::fs::write(&bundle.path, b"other").unwrap();
    std::fs::write(root.join("blobs").join(&artifact.sha256), b"other").unwrap();
    let again = Cache::new(&root).bundle(&artifact).await.unwrap();
    assert_eq!(again, bundle);
    assert_eq!(listing(&again.path), [("tool".to_owned(), 0o755, "program".to_owned())]);
}

/// Serves `answer` to each of the next requests on loopback; the address of it.
fn serve(answer: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    format!("http://127.0.0.1:{port}/files/tool")
}

fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test]
async fn an_address_is_fetched_verified_and_its_failures_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path());
    let digest = model::digest::sha256_hex(b"program");
    let good = artifact(Source::Url(serve(response("200 OK", b"program"))), digest.clone());
    let bundle = cache.bundle(&good).await.unwrap();
    assert_eq!(listing(&bundle.path), [("tool".to_owned(), 0o755, "program".to_owned())]);

    let missing = artifact(Source::Url(serve(response("404 Not Found", b""))), "1".repeat(64));
    let error = cache.bundle(&missing).await.unwrap_err();
    assert!(
        matches!(&*error.cause, Cause::Status { status: 404, .. }) && !error.is_transient(),
        "{error}"
    );

    let other = artifact(Source::Url(serve(response("200 OK", b"other"))), "2".repeat(64));
    let error = cache.bundle(&other).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&"2".repeat(64)) && text.contains(&model::digest::sha256_hex(b"other")),
        "{text}"
    );

    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let nobody = artifact(Source::Url(format!("http://127.0.0.1:{port}/x")), "3".repeat(64));
    let error = cache.bundle(&nobody).await.unwrap_err();
    assert!(error.is_transient() && !error.hint().is_empty(), "{error}");
    let mut short = response("200 OK", b"program");
    short.truncate(short.len() - 3);
    let broken = artifact(Source::Url(serve(short)), "4".repeat(64));
    assert!(cache.bundle(&broken).await.unwrap_err().is_transient());
    let absent = artifact(Source::File(directory.path().join("absent")), "5".repeat(64));
    assert!(matches!(&*cache.bundle(&absent).await.unwrap_err().cause, Cause::Unreadable(_)));
}
