//! Names of this host, which a request to an open endpoint must have in `Host`.
//!
//! A web page that gets this host's address as its own (DNS rebinding) sends its own name.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use nix::unistd::gethostname;
use soundpost_core::regular_file;

/// Maximum size of a file with names of hosts, bytes.
const NAMES_BYTES: u64 = 1 << 20;

/// Names that an open endpoint accepts.
pub(super) struct HostNames(Vec<String>);

impl HostNames {
    /// Returns the names of this host and the `allowed` ones: a name, `*.` and a domain, or `*`.
    pub(super) fn new(allowed: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned()];
        if let Some(host) = gethostname().ok().and_then(|host| host.into_string().ok()) {
            let read = |path: &str| regular_file::read_text(Path::new(path), NAMES_BYTES).unwrap_or_default();
            names.extend(full_names(&host, &read("/etc/hosts"), &read("/etc/resolv.conf")));
            names.push(host);
        }
        names.extend_from_slice(allowed);
        names.iter_mut().for_each(|name| *name = without_port(name).to_ascii_lowercase());
        Self(names)
    }

    /// Returns whether the value of `Host`, with or without a port, is an address or one of these names.
    pub(super) fn admits(&self, host: &str) -> bool {
        let host = without_port(host).to_ascii_lowercase();
        let is_address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<IpAddr>().is_ok(),
        };
        let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|name| !name.is_empty());
        is_address
            || self.0.iter().any(|name| match name.strip_prefix('*') {
                Some(domain) => domain.is_empty() || domain.starts_with('.') && is_below(domain),
                None => *name == host,
            })
    }
}

/// Returns the names that `hosts` lists beside the host's own, and its name in the domains of `resolv_conf`.
fn full_names(host: &str, hosts: &str, resolv_conf: &str) -> Vec<String> {
    let words = |text: &str| -> Vec<String> {
        text.split(['#', ';']).next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let own = hosts.lines().map(words).filter(|line| line.iter().skip(1).any(|name| name == host));
    let own = own.flat_map(|line| line.into_iter().skip(1));
    let domains = resolv_conf.lines().map(words);
    let domains = domains.filter(|line| line.first().is_some_and(|key| key == "search" || key == "domain"));
    let domains = domains.flat_map(|line| line.into_iter().skip(1)).filter(|domain| domain != ".");
    own.chain(domains.map(|domain| format!("{host}.{domain}"))).collect()
}

/// Returns a host without its port and the dot of the root.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { host }
        }
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(allowed: &[&str]) -> HostNames {
        HostNames::new(&allowed.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn host_that_is_own_or_an_address_is_admitted() {
        let own = gethostname().unwrap().into_string().unwrap();
        let own = [own.clone(), format!("{}:9464", own.to_ascii_uppercase())];
        for host in [
            "localhost",
            "LOCALHOST:9464",
            "localhost.",
            "127.0.0.1:1",
            "10.0.0.7",
            "[::1]:9464",
            "[fe80::1]",
        ]
        .into_iter()
        .chain(own.iter().map(String::as_str))
        {
            assert!(names(&[]).admits(host), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", ":9464", "[evil]", "a:b"]
        {
            assert!(!names(&[]).admits(host), "{host}");
        }
    }

    #[test]
    fn host_that_is_listed_is_admitted() {
        let names = names(&["TTS.example.org:9464", "*.monitoring.svc"]);
        for host in ["tts.example.org", "TTS.EXAMPLE.ORG.:80", "a.monitoring.svc:9464", "a.b.Monitoring.svc"]
        {
            assert!(names.admits(host), "{host}");
        }
        for host in
            ["example.org", "x.tts.example.org", "monitoring.svc", ".monitoring.svc", "amonitoring.svc"]
        {
            assert!(!names.admits(host), "{host}");
        }
        assert!(HostNames::new(&["*".to_owned()]).admits("anything"));
    }

    #[test]
    fn full_names_come_from_the_hosts_files() {
        let hosts = "127.0.0.1 localhost ads.example\n10.0.0.7\tgpu1.example.org gpu1 # gpu1.evil\n";
        let resolv = "# search no.example\nnameserver 1.1.1.1\nsearch example.com tts.svc.cluster.local .\n";
        assert_eq!(
            full_names("gpu1", hosts, resolv),
            ["gpu1.example.org", "gpu1", "gpu1.example.com", "gpu1.tts.svc.cluster.local"]
        );
    }
}
