#!/bin/sh
# The official image's contract: a configuration file as first word means "serve it"; anything else goes to registry.
set -e
case "$1" in
*.yaml | *.yml) set -- registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
