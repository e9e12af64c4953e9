#!/bin/sh
# Starts as root only to hand the volumes to the agent, then becomes uid 1000 for good.
set -eu

export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

if [ "$(id -u)" -ne 0 ]; then
  exec python3 /app/agent.py
fi

chown -R agent:agent "${WORKSPACE_CONFIG_PATH:-/configs}"
# A host directory keeps its owner; a fresh volume belongs to root and would be unwritable.
if [ -d /workspace ] && [ "$(stat -c %u /workspace)" -eq 0 ]; then
  chown agent:agent /workspace || echo "entrypoint: /workspace stays read-only" >&2
fi

export HOME=/home/agent USER=agent
exec setpriv --reuid=agent --regid=agent --init-groups --no-new-privs python3 /app/agent.py
