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
