//! The claims, for the seeds and near them; and where the seeds come from.

#[path = "../../../fuzz/harness.rs"]
mod harness;

harness::targets![authproxy_cfg, dictionary];

#[test]
fn seeds_are_files_that_people_write() {
    harness::seeds_are(
        SEEDS
            .iter()
            .map(|(target, name, text)| (*target, (*name).to_owned(), text.as_bytes().to_vec())),
    );
}

const SEEDS: &[(&str, &str, &str)] = &[
    (
        "authproxy_cfg",
        "directory",
        "; the directory\n[ad_client]\nhost=dc1.example.com\nhost_2=dc2.example.com\n\
         service_account_username=lookup\nservice_account_password=pl4ntedS3cret %;#\n\
         search_dn=DC=example,DC=com\nsecurity_group_dn=CN=VPN,DC=example,DC=com\n\
         ldap_filter=(&(a=b)(!(c=*)))\nauth_type=plain\nbind_dn=CN=lookup,DC=example,DC=com\n\
         transport=starttls\n\n[radius_server_auto]\nikey=DIXXXXXXXXXXXXXXXXXX\n\
         skey=pl4ntedS3cret\napi_host=api-12345678.example.com\nradius_ip_1=10.1.2.3\n\
         radius_secret_1=pl4ntedS3cret\nfailmode=secure\nport=1812\nclient=ad_client\n",
    ),
    (
        "authproxy_cfg",
        "upstream",
        "\u{feff}[main]\r\ndebug=true\r\nclient=radius_client\r\n[radius_client]\r\nhost=192.0.2.1\r\n\
         port_2=1645\r\nhost_2=2001:db8::2\r\nsecret=upstream\r\npass_through_attr_names=Class,Filter-Id\r\n\
         [radius_server_challenge]\r\napi_host=builtin\r\nfactors=push, sms\r\nradius_ip_1=10.0.0.0/8\r\n\
         radius_secret_1=nas\r\nprompt_format=short\r\n[radius_server_concat]\r\napi_host=builtin\r\nport=1813\r\n\
         radius_ip_1=10.0.0.1\r\nradius_secret_1=nas\r\ndelimiter=||\r\n",
    ),
    (
        "authproxy_cfg",
        "duo-only",
        "[duo_only_client]\n[radius_server_duo_only]\napi_host=builtin\nradius_ip_1=10.0.0.1\nradius_secret_1=x\n",
    ),
    (
        "authproxy_cfg",
        "broken",
        "radius_secret_1: pl4ntedS3cret\n[radius_server_auto\n[radius_server_auto]\n[radius_server_auto]\n\
         skey=pl4ntedS3cret\nskey=pl4ntedS3cret\n  port=1\n=x\nport=99999\nfailmode=perhaps\nno_such=1\n\u{1}\n",
    ),
    (
        "authproxy_cfg",
        "other-kinds",
        "[http_proxy]\napi_host=api.example.com\n[ldap_server_auto]\nikey=DI\nskey=k\napi_host=h\nclient=ad_client\n\
         [cloud]\n[sso]\n[radius_server_iframe]\ntype=citrix_netscaler\n[radius_server_eap]\npkey=a\ncerts=b\n",
    ),
    (
        "dictionary",
        "vendor",
        "# a vendor\nVENDOR\tAcme\t99999\nBEGIN-VENDOR Acme\nATTRIBUTE Acme-Role 3 string\n\
         ATTRIBUTE Acme-Blob 4 octets[16] has_tag,encrypt=2\nVALUE Acme-Role admin 0x01\nEND-VENDOR Acme\n\
         ALIAS Role Acme-Role\n",
    ),
    (
        "dictionary",
        "formats",
        "VENDOR Wide 5 format=4,0\nVENDOR Old 6 format=1,1\nATTRIBUTE Old-One 1 integer Old\nBEGIN-VENDOR Wide format=Extended\n\
         ATTRIBUTE W 300 ipaddr\nEND-VENDOR Wide\nATTRIBUTE Outer 241 tlv\nBEGIN-TLV Outer\nATTRIBUTE Inner 1 text\n\
         END-TLV Outer\nATTRIBUTE Deep 241.1.2 string\n",
    ),
    (
        "dictionary",
        "includes",
        "$INCLUDE more\n$INCLUDE- gone\n$INCLUDE gone\nATTRIBUTE A 1 string\n\0$INCLUDE names\nATTRIBUTE B 2 date virtual\n",
    ),
    (
        "dictionary",
        "faults",
        "ATTRIBUTE A\nATTRIBUTE A 1 nothing\nATTRIBUTE A x string\nVENDOR V 0\nBEGIN-VENDOR gone\nEND-VENDOR V\n\
         END-TLV T\nALIAS a gone\nVALUE a b c\nsecret12345678\nEND-TLV\n",
    ),
];
