#!/bin/sh
# Install as /usr/local/bin/rostersync, and type `sudo rostersync status`: a command as the service runs it, with its account,
# settings and keys. The keys' file is for root alone, so the command gets the keys themselves.
set -eu
set -a
. /etc/rostersync/rostersync.env
ROSTERSYNC_DATA_DIR=/var/lib/rostersync
ROSTERSYNC_SECRET_KEYS=$(cat /etc/rostersync/secret_keys)
set +a
exec runuser --user=rostersync -- /opt/rostersync/bin/rostersync "$@"
