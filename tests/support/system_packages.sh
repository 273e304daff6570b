#!/bin/sh
# Installs PostgreSQL when it is missing and this is root on Debian; otherwise says what is skipped.
if command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing postgresql for the tests"
    { apt-get update && apt-get install -y --no-install-recommends postgresql; } >/dev/null 2>&1 && exit 0
fi
echo "no PostgreSQL here: the tests that need it are skipped"
