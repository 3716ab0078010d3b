#!/bin/sh
# Makes the secrets that compose.yaml mounts, in the folder `secrets` beside this file or in the one that is named.
# Files that are there are kept, so it may be run again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/secrets}
rules=$(sed -n 's/^ACL SETUSER gateway on >password //p' "$here/../../SECURITY.md")
[ -n "$rules" ] || { echo "SECURITY.md names no rules for the Redis user 'gateway'; expected a line 'ACL SETUSER gateway …'" >&2; exit 1; }

# The folder keeps others out. The files themselves can be read by all, since a container sees them under their own
# owner and mode, and the processes there have other user ids.
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$folder/$1" ] || { cat > "$folder/$1.new"; chmod 644 "$folder/$1.new"; mv "$folder/$1.new" "$folder/$1"; }; }

random | keep jwt_secret
random | keep table_token_secret
random | keep operator_key
random | keep redis_password
password=$(cat "$folder/redis_password")
printf 'redis://gateway:%s@valkey:6379/0' "$password" | keep redis_url
printf 'user default off\nuser gateway on >%s %s\n' "$password" "$rules" | keep users_acl
echo "secrets are in $folder"
