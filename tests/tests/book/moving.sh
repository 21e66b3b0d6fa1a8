cat >bad.cfg <<'END'
[main]
log_dir=/var/log
log_auth_events=true

; one that Windows wrote
[ad_client]
host=dc1.example.com
service_account_username=svc-radius
service_account_password=Example-Password
search_dn=DC=example,DC=com
transport=ldaps

auth_type=sspi

[radius_server_auto]
ikey=DIXXXXXXXXXXXXXXXXXX
skey=0123456789abcdef0123456789abcdef01234567
api_host=api-12345678.duosecurity.com
failmode=secure
radius_ip_1=192.0.2.999
radius_secret_1=Example-Secret-1

fail_mode=safe
client=ad_client9

[radius_server_iframe]
port=1813
ikey=x
skey=x
api_host=x

[cloud]
ikey=x
skey=x
api_host=x
END
chmod 600 bad.cfg
