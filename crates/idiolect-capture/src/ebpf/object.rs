//! The kernel side, compiled. `scripts/bpf.sh` makes the objects from `bpf/` and writes down of what.

/// The object for this machine's architecture, in memory that is aligned for reading it.
pub(super) fn bytes() -> Option<&'static [u8]> {
    #[cfg(target_arch = "x86_64")]
    const OBJECT: Option<&[u8]> = Some(aya::include_bytes_aligned!(
        "../../bpf/objects/capture.x86_64.o"
    ));
    #[cfg(target_arch = "aarch64")]
    const OBJECT: Option<&[u8]> = Some(aya::include_bytes_aligned!(
        "../../bpf/objects/capture.aarch64.o"
    ));
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    const OBJECT: Option<&[u8]> = None;
    OBJECT
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    /// `bpf/objects/MANIFEST` has the hashes of the sources that the objects were made of, in the form of
    /// `sha256sum`, so that any tool can check them; and of the objects.
    #[test]
    fn the_objects_are_those_of_the_source() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf");
        let checked = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "objects/MANIFEST"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "run scripts/bpf.sh: {}{}",
            String::from_utf8_lossy(&checked.stdout),
            String::from_utf8_lossy(&checked.stderr)
        );
        let manifest = std::fs::read_to_string(folder.join("objects/MANIFEST")).unwrap();
        for file in std::fs::read_dir(&folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(
                !(name.ends_with(".c") || name.ends_with(".h")) || manifest.contains(&name),
                "{name} is not in the manifest"
            );
        }
        assert!(manifest.starts_with("# clang "), "{manifest}");
    }
}
