//! Reading archives: `.deb`, tar (plain, gzip, xz, zstd), or one bare program.
//!
//! What an archive is, is told by its first bytes, never by its name. Invariants: a path that would
//! leave the directory is refused; devices and sockets are refused; nothing is written by this module.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::Cause;

/// What an entry is.
pub(super) enum Kind {
    File { mode: u32 },
    Link { target: String },
    HardLink { target: String },
}

/// One entry, with its content to be read now.
pub(super) struct Entry<'a> {
    pub path: String,
    pub kind: Kind,
    pub content: &'a mut dyn Read,
}

/// Calls `visit` for each file and link in the archive; `bare_name` is the path of a bare program.
pub(super) fn walk(
    path: &Path,
    bare_name: &str,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let mut file = File::open(path).map_err(bad)?;
    match sniff(&mut file).map_err(bad)? {
        Format::Deb => deb(file, visit),
        Format::Tar => tar(BufReader::new(file), visit),
        Format::Gzip => tar(flate2::read::MultiGzDecoder::new(BufReader::new(file)), visit),
        Format::Xz => tar(liblzma::read::XzDecoder::new_multi_decoder(BufReader::new(file)), visit),
        Format::Zstd => tar(zstd(BufReader::new(file))?, visit),
        Format::Bare => {
            let entry = Entry {
                path: bare_name.to_owned(),
                kind: Kind::File { mode: 0o755 },
                content: &mut file,
            };
            visit(entry)
        }
    }
}

enum Format {
    Deb,
    Tar,
    Gzip,
    Xz,
    Zstd,
    Bare,
}

fn sniff(file: &mut File) -> io::Result<Format> {
    let mut head = Vec::with_capacity(512);
    file.by_ref().take(512).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(match head.as_slice() {
        [0x1f, 0x8b, ..] => Format::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
        head if head.starts_with(b"!<arch>\n") => Format::Deb,
        head if head.get(257..262) == Some(b"ustar") => Format::Tar,
        _ => Format::Bare,
    })
}

fn deb(file: File, visit: &mut dyn FnMut(Entry<'_>) -> Result<(), Cause>) -> Result<(), Cause> {
    let mut archive = ar::Archive::new(BufReader::new(file));
    while let Some(member) = archive.next_entry() {
        let member = member.map_err(bad)?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        match name.trim_end_matches('/') {
            "data.tar" => return tar(member, visit),
            "data.tar.gz" => return tar(flate2::read::MultiGzDecoder::new(member), visit),
            "data.tar.xz" => {
                return tar(
                    liblzma::read::XzDecoder::new_multi_decoder(BufReader::new(member)),
                    visit,
                );
            }
            "data.tar.zst" => return tar(zstd(BufReader::new(member))?, visit),
            _ => {}
        }
    }
    Err(Cause::BadArchive("a .deb without data.tar".to_owned()))
}

fn zstd<R: Read>(reader: R) -> Result<impl Read, Cause> {
    ruzstd::decoding::StreamingDecoder::new(reader)
        .map_err(|error| Cause::BadArchive(error.to_string()))
}

fn tar(
    reader: impl Read,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let link = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        let kind = match (entry.header().entry_type(), link) {
            (tar::EntryType::Directory | tar::EntryType::XGlobalHeader, _) => continue,
            (tar::EntryType::Regular | tar::EntryType::Continuous, _) => {
                Kind::File { mode: entry.header().mode().map_err(bad)? }
            }
            (tar::EntryType::Symlink, Some(target)) => Kind::Link { target },
            (tar::EntryType::Link, Some(target)) => {
                Kind::HardLink { target: clean(&target).ok_or(Cause::BadPath(target))? }
            }
            _ => {
                return Err(Cause::BadArchive(format!(
                    "{raw} is neither file, directory nor link"
                )));
            }
        };
        let path = clean(&raw).ok_or(Cause::BadPath(raw))?;
        visit(Entry { path, kind, content: &mut entry })?;
    }
    Ok(())
}

/// A path without `.` and doubled slashes; `None` if it is absolute, empty, or climbs.
pub(super) fn clean(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let good = !parts.is_empty() && !parts.contains(&"..");
    good.then(|| parts.join("/"))
}

#[expect(clippy::needless_pass_by_value, reason = "used as the argument of map_err")]
fn bad(error: io::Error) -> Cause {
    Cause::BadArchive(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn paths_are_normal_or_refused() {
        assert_eq!(clean("./usr//bin/x").as_deref(), Some("usr/bin/x"));
        for bad in ["/etc/passwd", "../x", "a/../../b", "", "./"] {
            assert_eq!(clean(bad), None, "{bad}");
        }
    }
}
