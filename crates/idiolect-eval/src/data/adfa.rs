//! ADFA-LD (Creech and Hu 2013) with the split that it comes with.

use std::path::Path;

use idiolect_trace::read::{Part, Source};

use super::reader::{Gatherer, Label, Reading};
use super::{DataError, DataSet, Role};

/// Reads the archive as distributed, or the folder that it unpacks to: what lies in the training folder is
/// learned from, what lies in the validation and attack folders is tested on. The family of an attack is
/// its folder's name without the number.
pub(super) fn read(path: &Path) -> Result<DataSet, DataError> {
    let mut gatherer = Gatherer::default();
    gatherer.read(path, &Reading::default(), &label)?;
    if gatherer.len() == 0 {
        return Err(DataError::Form {
            path: path.to_owned(),
            reason: "no folder of ADFA-LD's (Training_Data_Master, Validation_Data_Master, \
                     Attack_Data_Master) is in it"
                .to_owned(),
        });
    }
    gatherer.finish("adfa-ld".to_owned())
}

fn label(source: &Source) -> Option<Label> {
    let label = source.label.as_ref()?;
    Some(Label {
        role: match label.part {
            Part::Training => Role::Train,
            Part::Validation => Role::Normal,
            Part::Attack => Role::Attack,
        },
        family: label.family.clone(),
    })
}
