cat >authproxy.cfg <<'END'
[radius_client]
host=127.0.0.1
secret=Example-Secret

[radius_server_auto]
api_host=builtin
failmode=secure
port=1812
radius_ip_1=127.0.0.1
radius_secret_1=Example-Secret-1
END
chmod 600 authproxy.cfg
gateway --config authproxy.cfg
