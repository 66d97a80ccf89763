//! Models that rebuild windows: a self-organising map and an autoencoder.

use std::ops::ControlFlow;
use std::sync::Arc;

use idiolect_detect::CoderConfig;
use idiolect_nn::one_hot::{AutoencoderConfig, MapConfig};

use super::counted::sequences;
use super::{Built, Job, Method, PerCall};

/// Calls of a window: STIDE's.
const WINDOW: usize = 6;

/// A self-organising map and an autoencoder, by the names `som` and `autoencoder`, trained on the windows of
/// all training streams.
pub fn coded() -> [Arc<dyn Method>; 2] {
    let som = CoderConfig::Som {
        len: WINDOW,
        map: MapConfig::USUAL,
    };
    let autoencoder = CoderConfig::Autoencoder {
        len: WINDOW,
        network: AutoencoderConfig::USUAL,
    };
    let method = |(name, config): (&str, CoderConfig)| {
        let settings = format!("{:?}", config.with_seed(0));
        let method = PerCall::new(name, settings, move |job| fit(config, job)).seeded();
        Arc::new(method) as Arc<dyn Method>
    };
    [("som", som), ("autoencoder", autoencoder)].map(method)
}

fn fit(config: CoderConfig, job: &Job<'_>) -> Result<Built, String> {
    let vocabulary = job.vocabulary();
    let config = config.with_seed(job.seed);
    let go_on = &mut |_| ControlFlow::Continue(());
    let sequences = sequences(job, &vocabulary);
    let model = config.fit(vocabulary.len(), sequences, go_on);
    let model = model.map_err(|error| error.to_string())?;
    Ok(Built {
        bytes: model.bytes() as u64,
        detector: Box::new(model),
        vocabulary,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::scores;

    #[test]
    fn order_is_told_and_a_seed_settles_everything() {
        let normal = ["a b c d e f g h i j k l"; 8];
        let test = ["a b c d e f g h i j k l", "l k j i h g f e d c b a"];
        for method in coded() {
            assert!(method.is_seeded());
            let got = scores(method.as_ref(), &normal, &test, 1);
            assert!(got[0] < 0.5 * got[1], "{}: {got:?}", method.name());
            assert_eq!(got, scores(method.as_ref(), &normal, &test, 1));
            assert_ne!(got, scores(method.as_ref(), &normal, &test, 2));
        }
    }
}
