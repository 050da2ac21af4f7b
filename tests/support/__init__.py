"""What tests share: isolated folders, servers, browsers, clients and waiting for conditions."""
