//! The examples of `haproxy/examples`: what each README says is to be seen.

mod bots;
mod shielding;
mod two_data_centres;

use crate::scene::Scene;

pub(super) fn scenes() -> Vec<Scene> {
    [two_data_centres::scenes(), shielding::scenes(), bots::scenes()].into_iter().flatten().collect()
}
