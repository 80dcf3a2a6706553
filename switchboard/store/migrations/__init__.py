"""The migrations that `switchboard.store.database` runs when the stored version is not the newest."""
