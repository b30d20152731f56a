use super::*;

#[test]
fn secret_names_in_every_spelling_are_secret() {
    for name in [
        "password",
        "Password",
        "PASSWORD",
        "db_password",
        "dbPassword",
        "password2",
        "passwd",
        "pwd",
        "client_secret",
        "clientSecret",
        "SECRET_KEY",
        "aws_secret_access_key",
        "AccessKeyId",
        "token",
        "access_token",
        "accessToken",
        "hf_token",
        "HF_TOKEN",
        "X-Auth-Token",
        "api_key",
        "apikey",
        "apiKey",
        "X-Api-Key",
        "API key",
        "OPENAI_API_KEY",
        "private_key",
        "id_card",
        "idCard",
        "ID_NUMBER",
        "credential",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "jwt",
        "basic_auth",
        "credit_card",
        "phone_number",
        "SIGNKEY",
        "dashscopeapikey",
        "BIND_PW",
        "keystorePassword",
        "recovery_codes",
        "authcode",
        "加密密钥（AES）",
        "密码",
        "用户密码",
        "身份证号",
        "密码2",
        "密码_2",
    ] {
        assert_eq!(class(name), Class::Secret, "{name}");
    }
    for name in ["Authorization", "proxy-authorization", "cookie", "Set-Cookie", "set_cookie"] {
        assert_eq!(class(name), Class::Header, "{name}");
    }
}

#[test]
fn names_of_random_values_are_weak() {
    for name in ["minio_pass", "rabbitmqpass", "forward_pass", "compass", "ak", "SK", "sign"] {
        assert_eq!(class(name), Class::Weak, "{name}");
    }
}

#[test]
fn names_of_issued_values_are_issued() {
    for name in ["key", "keys", "speech_key", "fernetKey", "SendKey", "jscode", "ticket", "appCertificate"] {
        assert_eq!(class(name), Class::Issued, "{name}");
    }
}

#[test]
fn text_names_are_text() {
    for name in [
        "text",
        "tts_text",
        "ttsText",
        "prompt",
        "prompt_text",
        "input_text",
        "emo_text",
        "ssml",
        "文本",
        "合成文本",
        "文本2",
    ] {
        assert_eq!(class(name), Class::Text, "{name}");
    }
}

#[test]
fn other_names_are_plain() {
    for name in [
        "",
        "_",
        "1",
        "token_count",
        "max_tokens",
        "tokens",
        "tokenizer",
        "eos_token",
        "time_per_token",
        "author",
        "authority",
        "public_key",
        "cache_key",
        "passed",
        "bypass_cache",
        "secretary",
        "password_length",
        "token_file",
        "password_file",
        "cookie_count",
        "text_length",
        "context",
        "prompt_wav",
        "error_text",
        "duration_ms",
        "emotion",
        "card",
        "id",
        "phone",
        "phones",
        "char_count",
        "cookiecutter",
        "情感",
        "情感2",
    ] {
        assert_eq!(class(name), Class::Plain, "{name}");
    }
}
