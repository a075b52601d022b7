//! Stores the files of a golden store in the repository, gzipped because most bytes are zeros.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use orderstore::testing::SimulatedDisk;

const END: &str = "gz";

/// Writes each file below `dir` to a separate gzip file. Skips files that a store creates again
/// when it opens.
pub(super) fn pack(disk: &SimulatedDisk, dir: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    for (path, _) in disk.files() {
        let name = path.strip_prefix(dir).unwrap();
        if name.ends_with("LOCK") || name.extension().is_some_and(|end| end == "tmp") {
            continue;
        }
        let place = to.join(format!("{}.{END}", name.display()));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let bytes = disk.content(&path).unwrap();
        let mut packed = Vec::new();
        let mut encoder = GzEncoder::new(bytes.as_slice(), Compression::best());
        encoder.read_to_end(&mut packed).unwrap();
        fs::write(place, packed).unwrap();
    }
}

/// Unpacks the files into a directory that a store can open.
pub(super) fn unpack(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&place).unwrap();
            unpack(&path, &place);
        } else if path.extension().is_some_and(|end| end == END) {
            let mut bytes = Vec::new();
            let mut decoder = GzDecoder::new(File::open(&path).unwrap());
            decoder.read_to_end(&mut bytes).unwrap();
            fs::write(place.with_extension(""), bytes).unwrap();
        }
    }
}
