write_config
gateway --config authproxy.cfg
mkdir /srv/backup
