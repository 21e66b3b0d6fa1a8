//! Closed sets: what an option may say. Each has the spelling of its option as JSON.

use serde::{Deserialize, Serialize};

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every variant, in the order of its documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The option's spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

choice! {
    /// Which flow an integration runs: the part of the section's name after `radius_server_`.
    Mode {
        /// Password, then a factor without a prompt.
        Auto = "auto",
        /// Password, then a prompt.
        Challenge = "challenge",
        /// PEAP or TTLS.
        Eap = "eap",
        /// Password with a factor appended, always.
        Concat = "concat",
        /// The password field is the factor.
        DuoOnly = "duo_only",
    }
}

choice! {
    /// `failmode`: what an unavailable second factor means.
    #[derive(Default)]
    FailMode {
        /// Accept on the password alone.
        #[default]
        Safe = "safe",
        /// Reject.
        Secure = "secure",
    }
}

choice! {
    /// One entry of `factors`; what each does in a mode, [`super::raw::Integration::factors`] says.
    FactorChoice {
        /// The service picks the best out-of-band factor; in mode `challenge`, everything.
        Auto = "auto",
        /// A push to the phone.
        Push = "push",
        /// A phone call.
        Phone = "phone",
        /// A new batch of passcodes by SMS, of which one is typed at the next prompt: mode
        /// `challenge` only.
        Sms = "sms",
        /// A prompt for a passcode.
        Passcode = "passcode",
    }
}

choice! {
    /// `syslog_facility`: what syslog files the log under (RFC 5424 section 6.2.1).
    #[derive(Default)]
    SyslogFacility {
        /// Programs of users.
        #[default]
        User = "LOG_USER",
        /// Mail.
        Mail = "LOG_MAIL",
        /// Services.
        Daemon = "LOG_DAEMON",
        /// Authentication.
        Auth = "LOG_AUTH",
        /// Syslog itself.
        Syslog = "LOG_SYSLOG",
        /// Printers.
        Lpr = "LOG_LPR",
        /// News.
        News = "LOG_NEWS",
        /// UUCP.
        Uucp = "LOG_UUCP",
        /// Scheduled work.
        Cron = "LOG_CRON",
        /// Authentication, private.
        Authpriv = "LOG_AUTHPRIV",
        /// FTP.
        Ftp = "LOG_FTP",
        /// Local use.
        Local0 = "LOG_LOCAL0",
        /// Local use.
        Local1 = "LOG_LOCAL1",
        /// Local use.
        Local2 = "LOG_LOCAL2",
        /// Local use.
        Local3 = "LOG_LOCAL3",
        /// Local use.
        Local4 = "LOG_LOCAL4",
        /// Local use.
        Local5 = "LOG_LOCAL5",
        /// Local use.
        Local6 = "LOG_LOCAL6",
        /// Local use.
        Local7 = "LOG_LOCAL7",
    }
}

impl SyslogFacility {
    /// Its number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Mail => 2,
            Self::Daemon => 3,
            Self::Auth => 4,
            Self::Syslog => 5,
            Self::Lpr => 6,
            Self::News => 7,
            Self::Uucp => 8,
            Self::Cron => 9,
            Self::Authpriv => 10,
            Self::Ftp => 11,
            Self::Local0 => 16,
            Self::Local1 => 17,
            Self::Local2 => 18,
            Self::Local3 => 19,
            Self::Local4 => 20,
            Self::Local5 => 21,
            Self::Local6 => 22,
            Self::Local7 => 23,
        }
    }
}

choice! {
    /// `pw_codec`: how the octets of a password spell characters.
    #[derive(Default)]
    PasswordCodec {
        /// UTF-8.
        #[default]
        Utf8 = "utf-8",
        /// ISO 8859-1: every octet is a character.
        Latin1 = "latin-1",
    }
}

choice! {
    /// `message_authenticator_N`: what is asked of a client's requests (RFC 3579 section 3.2,
    /// CVE-2024-3596).
    #[derive(Default)]
    MessageAuthenticator {
        /// Verified when present; its absence is tolerated unless the request carries Proxy-State
        /// or EAP-Message.
        #[default]
        Auto = "auto",
        /// Must be present and right.
        Require = "require",
        /// Verified when present; its absence is always tolerated, except with EAP-Message. For a
        /// named legacy device.
        Off = "off",
    }
}

choice! {
    /// `transport` of a directory.
    #[derive(Default)]
    Transport {
        /// No TLS.
        #[default]
        Clear = "clear",
        /// TLS begun inside LDAP (RFC 4511 section 4.14).
        StartTls = "starttls",
        /// TLS from the first octet.
        Ldaps = "ldaps",
    }
}

choice! {
    /// `auth_type` of a directory.
    DirectoryAuth {
        /// NTLMv2.
        Ntlm2 = "ntlm2",
        /// A simple bind.
        Plain = "plain",
    }
}

choice! {
    /// `prompt_format`.
    PromptFormat {
        /// Lines.
        Console = "console",
        /// Lines joined by `<br>`.
        Html = "html",
        /// One line.
        Short = "short",
    }
}

choice! {
    /// The lowest TLS version EAP may use.
    #[derive(Default)]
    TlsVersion {
        /// TLS 1.2.
        #[default]
        Tls12 = "tls1.2",
        /// TLS 1.3.
        Tls13 = "tls1.3",
    }
}

choice! {
    /// A cipher suite that EAP can use, by its name in the IANA's registry: all that rustls has with
    /// ring, in the order of preference where nothing else is said. Each has forward secrecy and an
    /// authenticated cipher.
    CipherSuite {
        /// TLS 1.3, AES-256-GCM.
        Aes256GcmSha384 = "TLS_AES_256_GCM_SHA384",
        /// TLS 1.3, AES-128-GCM.
        Aes128GcmSha256 = "TLS_AES_128_GCM_SHA256",
        /// TLS 1.3, ChaCha20-Poly1305.
        Chacha20Poly1305Sha256 = "TLS_CHACHA20_POLY1305_SHA256",
        /// TLS 1.2, an ECDSA certificate, AES-256-GCM.
        EcdheEcdsaAes256GcmSha384 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        /// TLS 1.2, an ECDSA certificate, AES-128-GCM.
        EcdheEcdsaAes128GcmSha256 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        /// TLS 1.2, an ECDSA certificate, ChaCha20-Poly1305.
        EcdheEcdsaChacha20Poly1305Sha256 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        /// TLS 1.2, an RSA certificate, AES-256-GCM.
        EcdheRsaAes256GcmSha384 = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        /// TLS 1.2, an RSA certificate, AES-128-GCM.
        EcdheRsaAes128GcmSha256 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        /// TLS 1.2, an RSA certificate, ChaCha20-Poly1305.
        EcdheRsaChacha20Poly1305Sha256 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    }
}

impl CipherSuite {
    /// The only version of TLS that has it.
    #[must_use]
    pub const fn version(self) -> TlsVersion {
        match self {
            Self::Aes256GcmSha384 | Self::Aes128GcmSha256 | Self::Chacha20Poly1305Sha256 => {
                TlsVersion::Tls13
            }
            Self::EcdheEcdsaAes256GcmSha384
            | Self::EcdheEcdsaAes128GcmSha256
            | Self::EcdheEcdsaChacha20Poly1305Sha256
            | Self::EcdheRsaAes256GcmSha384
            | Self::EcdheRsaAes128GcmSha256
            | Self::EcdheRsaChacha20Poly1305Sha256 => TlsVersion::Tls12,
        }
    }
}

choice! {
    /// How the value of an attribute is to be read and written.
    AttributeType {
        /// Text, UTF-8.
        Text = "text",
        /// Any octets.
        Octets = "octets",
        /// An IPv4 address, 4 octets.
        Ipv4 = "ipv4",
        /// An IPv6 address, 16 octets.
        Ipv6 = "ipv6",
        /// An unsigned 32-bit number.
        Integer = "integer",
        /// Seconds since 1970, 4 octets.
        Date = "date",
    }
}
