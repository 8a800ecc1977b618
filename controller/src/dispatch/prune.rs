//! Old packages and droplets go, so that pushing again and again does not fill the disk.

use crate::api::Api;
use crate::blobs::BlobKind;
use crate::storage::{AppRow, DropletRow, PackageRow, StorageError};

/// Packages and droplets of an app that are kept, the latest ones, besides the droplet that it runs.
const KEPT: usize = 5;

/// Deletes what an app has too many of.
pub(super) async fn prune(api: &Api, app: &str) {
    if let Err(error) = attempt(api, app).await {
        tracing::warn!(%error, app, "blobs-not-pruned");
    }
}

async fn attempt(api: &Api, guid: &str) -> Result<(), StorageError> {
    let storage = &api.storage;
    let Some(app) = storage.find::<AppRow>(&AppRow::LISTING, guid).await? else {
        return Ok(());
    };
    let droplets: Vec<DropletRow> = storage
        .find_all(&DropletRow::LISTING, "d.app_guid", [guid])
        .await?;
    let droplets = droplets.into_iter().map(|droplet| droplet.guid);
    for droplet in beyond(droplets.collect(), app.droplet_guid.as_deref()) {
        storage.delete("droplets", &droplet).await?;
        api.blobs.delete(BlobKind::Droplet, &droplet).await;
    }
    let packages: Vec<PackageRow> = storage
        .find_all(&PackageRow::LISTING, "k.app_guid", [guid])
        .await?;
    let packages = packages.into_iter().map(|package| package.guid);
    for package in beyond(packages.collect(), None) {
        storage.delete("packages", &package).await?;
        api.blobs.delete(BlobKind::Package, &package).await;
    }
    Ok(())
}

/// Returns those of `all`, the oldest first, that are not kept.
fn beyond(all: Vec<String>, current: Option<&str>) -> Vec<String> {
    let count = all.len().saturating_sub(KEPT);
    let old = all.into_iter().take(count);
    old.filter(|guid| Some(guid.as_str()) != current).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_and_the_current_one_are_kept() {
        let check = |count: u32, current: Option<&str>, expected: &[&str]| {
            let all = (0..count).map(|number| number.to_string()).collect();
            assert_eq!(beyond(all, current), expected, "{count} {current:?}");
        };
        check(0, None, &[]);
        check(5, None, &[]);
        check(7, None, &["0", "1"]);
        check(7, Some("0"), &["1"]);
        check(7, Some("6"), &["0", "1"]);
    }
}
