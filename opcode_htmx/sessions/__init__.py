"""Session services that several features share: lookup, views, drafts, attention. No Flask."""
