#!/bin/bash
# Starts MariaDB by the official image's contract (docs/image-contracts.md): the first start with an empty data folder
# makes the database, its users, and runs /docker-entrypoint-initdb.d; later ones only start it.
set -euo pipefail
shopt -s nullglob

say() { printf '%s [Entrypoint] %s\n' "$(date -u +%FT%TZ)" "$*"; }
fail() { say "ERROR: $*" >&2; exit 1; }

# setting NAME: MARIADB_NAME or MYSQL_NAME, or what the file holds that MARIADB_NAME_FILE or MYSQL_NAME_FILE names.
setting() {
  local prefix variable
  for prefix in MARIADB MYSQL; do
    variable="${prefix}_$1"
    if [ -n "${!variable:-}" ]; then
      printf %s "${!variable}"
      return
    fi
    variable="${variable}_FILE"
    if [ -n "${!variable:-}" ]; then
      printf %s "$(<"${!variable}")"
      return
    fi
  done
}

# What the server would use for an option, from its configuration files and our words.
configured() { awk -v name="$1" '/^[^ ]/ && $1 == name { print $2; exit }' <<<"$help"; }

quoted() {
  local text="${1//\\/\\\\}"
  printf "'%s'" "${text//\'/\\\'}"
}

random_password() { head -c 24 /dev/urandom | base64 | tr '+/' 'Aa'; }

statements() {
  local root="$1" database user password health host
  database="$(setting DATABASE)" user="$(setting USER)" password="$(setting PASSWORD)"
  echo "SET @@SESSION.SQL_LOG_BIN = 0;"
  # mariadb-install-db leaves users without a password for the host's other names.
  echo "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost'; FLUSH PRIVILEGES;"
  if [ -n "$root" ]; then
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$root");"
    host="$(setting ROOT_HOST)"
    if [ "${host:=%}" != localhost ]; then
      echo "CREATE USER 'root'@$(quoted "$host") IDENTIFIED BY $(quoted "$root");"
      echo "GRANT ALL ON *.* TO 'root'@$(quoted "$host") WITH GRANT OPTION;"
    fi
  fi
  health="$(random_password)"
  for host in localhost 127.0.0.1 ::1; do
    echo "CREATE USER healthcheck@'$host' IDENTIFIED BY '$health'; GRANT USAGE ON *.* TO healthcheck@'$host';"
  done
  (umask 077; printf '[mariadb-client]\nsocket=%s\nuser=healthcheck\npassword=%s\n' "$socket" "$health" >"$datadir/.my-healthcheck.cnf")
  if [ -n "$database" ]; then echo "CREATE DATABASE IF NOT EXISTS \`$database\`;"; fi
  if [ -n "$user" ] && [ -n "$password" ]; then
    echo "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password");"
    if [ -n "$database" ]; then echo "GRANT ALL ON \`${database//_/\\_}\`.* TO $(quoted "$user")@'%';"; fi
  fi
}

run_sql() { MYSQL_PWD="$root_password" mariadb --protocol=socket --socket="$socket" -uroot --binary-mode "$@"; }

run_init_files() {
  local file into=()
  if [ -n "$(setting DATABASE)" ]; then into=("--database=$(setting DATABASE)"); fi
  for file in /docker-entrypoint-initdb.d/*; do
    say "running $file"
    case "$file" in
    *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
    *.sql) run_sql "${into[@]}" <"$file" ;;
    *.sql.gz) gunzip -c "$file" | run_sql "${into[@]}" ;;
    *.sql.xz) xzcat "$file" | run_sql "${into[@]}" ;;
    *) say "passing over $file" ;;
    esac
  done
}

make_database() {
  local wanted="$(setting ROOT_PASSWORD)" pid=''
  if [ -z "$wanted" ] && [ -n "$(setting RANDOM_ROOT_PASSWORD)" ]; then
    wanted="$(random_password)"
    say "GENERATED ROOT PASSWORD: $wanted"
  fi
  if [ -z "$wanted" ] && [ -z "$(setting ALLOW_EMPTY_ROOT_PASSWORD)$(setting ALLOW_EMPTY_PASSWORD)" ]; then
    fail 'the data folder is empty and no password is set: give MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_FILE, MARIADB_RANDOM_ROOT_PASSWORD or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD'
  fi
  say 'making the database'
  mariadb-install-db --datadir="$datadir" --rpm --auth-root-authentication-method=normal --skip-test-db \
    --skip-log-bin --default-time-zone=SYSTEM "${@:2}" >/tmp/mariadb-install-db.log 2>&1 || { cat /tmp/mariadb-install-db.log >&2; exit 1; }
  "$@" --skip-networking --socket="$socket" --default-time-zone=SYSTEM &
  pid=$!
  root_password=''
  for _ in $(seq 300); do
    if run_sql -e 'SELECT 1' >/dev/null 2>&1; then break; fi
    kill -0 "$pid" 2>/dev/null || fail 'the server ended while the database was made'
    sleep 0.1
  done
  statements "$wanted" >/tmp/.statements
  run_sql --database=mysql </tmp/.statements
  rm -f /tmp/.statements
  root_password="$wanted"
  run_init_files
  kill "$pid"
  wait "$pid"
  say 'the database is made'
}

main() {
  if [ "${1:0:1}" = - ]; then set -- mariadbd "$@"; fi
  case "$1 " in
  mariadbd\ | mysqld\ ) ;;
  *) exec "$@" ;;
  esac
  local word
  for word in "$@"; do
    case "$word" in -\? | --help | --print-defaults | -V | --version) exec "$@" ;; esac
  done
  help="$("$@" --verbose --help 2>"/tmp/mariadbd-help.$UID.log")" || { cat "/tmp/mariadbd-help.$UID.log" >&2; fail 'the configuration is not taken'; }
  datadir="$(configured datadir)" datadir="${datadir%/}" socket="$(configured socket)"
  mkdir -p "$datadir"
  if [ "$(id -u)" = 0 ]; then
    find "$datadir" \! -user mysql -exec chown mysql:mysql '{}' +
    chown mysql:mysql "${socket%/*}"
    exec gosu mysql "$0" "$@"
  fi
  # As in the official image, a first start that was cut short is not noticed: it has a folder `mysql` too.
  if [ ! -d "$datadir/mysql" ]; then make_database "$@"; fi
  exec "$@"
}

main "$@"
