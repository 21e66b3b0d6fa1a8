# What the set-ups of pages share (NAME.sh beside this file, made of the page's name). They run on the scratch
# machine, in the folder in which the page's commands run, before the first of them. What one prints as
# `learn A B` stands for A wherever the page writes A.

# Starts a gateway with these arguments, and waits until it is ready.
gateway() {
  countersign run "$@" >/tmp/gateway.log 2>&1 &
  ready
}

# The demo; DIR is its folder.
demo() {
  countersign demo >/tmp/gateway.log 2>&1 &
  ready
  ln -s /tmp/countersign-demo-0 DIR
}

ready() {
  curl -sf --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:8400/readyz >/dev/null 2>&1 || {
    cat /tmp/gateway.log
    exit 1
  }
}

# Runs a command again until it can be done, for a minute: what it asks is being started.
until_done() {
  tries=0
  until "$@" 2>/tmp/refused; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || {
      cat /tmp/refused /tmp/gateway.log
      exit 1
    }
    sleep 0.1
  done
}

# A file that a gateway serves with nothing else there, with further options of its server section.
write_config() {
  mode=${1:-auto} more=${2:-}
  printf '%s\n' "[radius_server_$mode]" api_host=builtin client=duo_only_client failmode=secure port=1812 \
    radius_ip_1=127.0.0.1 radius_secret_1=Example-Secret-1 "$more" '' '[duo_only_client]' >authproxy.cfg
  chmod 600 authproxy.cfg
}

# An upstream RADIUS server at 192.0.2.20 that knows alice, with the password of the pages.
upstream() {
  mkdir /tmp/upstream
  cat >/tmp/upstream/radiusd.conf <<'END'
prefix = /usr
raddbdir = /tmp/upstream
run_dir = /tmp/upstream
pidfile = /tmp/upstream/pid
security {
  allow_vulnerable_openssl = yes
}
client gateway {
  ipaddr = 192.0.2.0/24
  secret = Example-Secret
}
modules {
  pap {
  }
}
server plain {
  listen {
    type = auth
    ipaddr = 192.0.2.20
    port = 1812
  }
  authorize {
    if (&User-Name == "alice") {
      update control {
        Cleartext-Password := "Example-Password"
      }
    }
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
  }
}
END
  freeradius -f -l stdout -d /tmp/upstream >/tmp/upstream/log 2>&1 &
  echo 'User-Name=alice,User-Password=Example-Password,Message-Authenticator=0x00' \
    | radclient -t 1 -r 30 192.0.2.20:1812 auth Example-Secret >/dev/null || {
    cat /tmp/upstream/log
    exit 1
  }
}

# A PostgreSQL at db.example.com, with the role and the database that the page has somebody make, and the
# authority of its certificate as the page names it.
database() {
  bin=$(find /usr/lib/postgresql -name pg_ctl -printf '%h\n' | sort -V | tail -n 1)
  mkdir /tmp/pki
  countersign cert db.example.com --dir /tmp/pki >/dev/null
  cp /tmp/pki/ca.pem /etc/countersign/db-ca.pem
  mkdir -p /run/postgresql /var/lib/database
  cp /tmp/pki/radius.pem /tmp/pki/radius.key /var/lib/database
  chown -R postgres /run/postgresql /var/lib/database
  chmod 600 /var/lib/database/radius.key
  as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups -- "$@"; }
  (
    cd /var/lib/database
    as_postgres "$bin/initdb" --no-sync --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 \
      --locale=C.UTF-8 --pgdata=data
    as_postgres "$bin/pg_ctl" --pgdata=data --log=log --wait start -o "-c listen_addresses=127.0.0.1 -c ssl=on \
      -c ssl_cert_file=/var/lib/database/radius.pem -c ssl_key_file=/var/lib/database/radius.key \
      -c unix_socket_directories=/run/postgresql"
  ) >/tmp/database.log 2>&1 || {
    cat /tmp/database.log /var/lib/database/log
    exit 1
  }
  psql -q -h /run/postgresql -U postgres -c "create role countersign login password 'PASSWORD'"
  createdb -h /run/postgresql -U postgres --owner=countersign --encoding=UTF8 --template=template0 countersign
}
