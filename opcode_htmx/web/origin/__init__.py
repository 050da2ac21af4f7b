"""Where a request comes from: Host, Origin, fetch metadata and addresses."""
