#!/bin/sh
# Installs the Debian packages that some tests need: a PostgreSQL server, a browser, Chinese fonts, two proxies.
# Does nothing where they are present, and nothing but say so where it may not install: those tests are then skipped.
set -eu

missing=""
for package in postgresql chromium fonts-noto-cjk nginx-light caddy; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done

if [ -z "$missing" ]; then
    echo "system: postgresql, chromium, fonts-noto-cjk, nginx and caddy are installed"
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "system: missing$missing; the tests that need them are skipped (as root on Debian, 'make system' installs them)"
    exit 0
fi

echo "system: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# policy-rc.d keeps Debian from starting a server of its own: the tests start theirs, on a free port.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod +x "$policy"
    trap 'rm -f "$log" "$policy"' EXIT
fi
apt-get update -qq >"$log" 2>&1 || true # what cannot be fetched says so below
failed=""
# One by one: a package that a distribution lacks must not cost the others.
for package in $missing; do
    apt-get install -qq -y --no-install-recommends "$package" >>"$log" 2>&1 || failed="$failed $package"
done
if [ -z "$failed" ]; then
    echo "system: installed$missing"
else
    tail -n 5 "$log" >&2
    echo "system: could not install$failed; the tests that need them are skipped"
fi
