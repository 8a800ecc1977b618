//! Encrypts anew what an older key encrypted, so that the key can be taken out of the configuration.

use thiserror::Error;

use crate::storage::{Storage, StorageError};
use crate::vault::{Vault, VaultError};

/// What is encrypted: tables with a guid, and the column.
const SEALED: [(&str, &str); 2] = [("signing_keys", "private_key"), ("apps", "environment")];
/// Rows that are read at a time.
const ROWS: u32 = 200;

/// Why not everything is encrypted with today's key.
#[derive(Debug, Error)]
pub(crate) enum ResealError {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A row cannot be decrypted.
    #[error("{table} {guid} cannot be decrypted")]
    Sealed {
        /// Where it is.
        table: &'static str,
        /// Which it is.
        guid: String,
        /// The reason.
        source: VaultError,
    },
}

/// Encrypts everything with the first key.
pub(crate) async fn reseal(storage: &Storage, vault: &Vault) -> Result<(), ResealError> {
    for (table, column) in SEALED {
        let mut last = String::new();
        let mut count = 0_u64;
        loop {
            let rows = storage.sealed(table, column, &last, ROWS).await?;
            let Some((guid, _)) = rows.last() else { break };
            last.clone_from(guid);
            let mut change = storage.change().await?;
            for (guid, sealed) in rows {
                if sealed.is_empty() || vault.is_current(&sealed) {
                    continue;
                }
                let opened = vault.open(&sealed);
                let anew = opened.and_then(|secret| vault.seal(&secret));
                let anew = anew.map_err(|source| ResealError::Sealed {
                    table,
                    guid: guid.clone(),
                    source,
                })?;
                Storage::replace_sealed(&mut change, (table, column), &guid, &sealed, &anew)
                    .await?;
                count += 1;
            }
            Storage::commit(change).await?;
        }
        if count > 0 {
            tracing::info!(table, count, "encrypted-anew");
        }
    }
    Ok(())
}
