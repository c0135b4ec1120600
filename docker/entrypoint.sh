#!/bin/sh
# Compose starts the container as root only for this step: to become the owner of the mounted /results, so that results
# belong to whoever owns that folder on the host. Where a user was chosen (docker run --user), nothing changes.
set -eu
export HOME=/tmp # whoever that is has no home here; Keras and matplotlib keep a cache in it
if [ "$(id -u)" = 0 ]; then
    owner=$(stat -c %u /results)
    group=$(stat -c %g /results)
    # Root stays root where it owns the folder: with rootless Docker that is the host's user.
    [ "$owner" = 0 ] || exec setpriv --reuid "$owner" --regid "$group" --clear-groups -- "$@"
fi
exec "$@"
