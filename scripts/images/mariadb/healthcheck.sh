#!/bin/bash
# Probes as in the official image: each word is a test, all must pass. --connect, --innodb_initialized, --ping.
set -u
datadir=/var/lib/mysql

sql() {
  mariadb --defaults-extra-file="$datadir/.my-healthcheck.cnf" --protocol=socket --batch --skip-column-names -e "$1"
}

[ $# -gt 0 ] || { echo 'healthcheck.sh: no test named' >&2; exit 1; }
for word in "$@"; do
  case "$word" in
  --connect | --ping) [ "$(sql 'SELECT 1')" = 1 ] || exit 1 ;;
  --innodb_initialized)
    [ "$(sql "SELECT 1 FROM information_schema.ENGINES WHERE engine = 'innodb' AND support IN ('YES', 'DEFAULT')")" = 1 ] || exit 1
    ;;
  --datadir=*) datadir="${word#*=}" ;;
  *) echo "healthcheck.sh: no test $word" >&2; exit 1 ;;
  esac
done
