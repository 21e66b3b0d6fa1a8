write_config
gateway --config authproxy.cfg
