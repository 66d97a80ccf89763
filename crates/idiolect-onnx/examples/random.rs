//! Writes networks with random weights as ONNX, in the shapes that idiolect-nn's benchmark `engine` times:
//! `cargo run --release -p idiolect-onnx --example random FOLDER`

use std::error::Error;
use std::path::PathBuf;

use idiolect_nn::{Architecture, Weights};
use idiolect_onnx::{Share, export};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: random FOLDER")?);
    for (name, vocab, embedding, hidden) in [
        ("1x64", 180, Some(64), vec![64]),
        ("1x200", 180, Some(200), vec![200]),
        ("2x400", 180, Some(400), vec![400, 400]),
        ("seed", 341, None, vec![64, 256, 100]),
    ] {
        let architecture = Architecture {
            vocab,
            embedding,
            hidden,
        };
        let share = Share {
            first_call: 5,
            unknown: 1e-3,
        };
        let bytes = export(&Weights::init(&architecture, 1)?, share, &[]);
        std::fs::write(folder.join(format!("{name}.onnx")), bytes)?;
    }
    Ok(())
}
