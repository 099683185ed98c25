"""Files that let a system's own supervisor run `launchpad serve`: systemd, Podman's quadlet, launchd, compose."""
