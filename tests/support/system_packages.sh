#!/bin/sh
# Installs what the tests take from the distribution where it is missing and this is root on Debian:
# PostgreSQL, and Chromium for the walk through the console. Otherwise says what is skipped.

install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing $1 for the tests"
        { apt-get update && apt-get install -y --no-install-recommends "$1"; } >/dev/null 2>&1 && return
    fi
    echo "no $1 here: the tests that need it are skipped"
}

command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || install postgresql
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || install chromium
exit 0
