//! A profile that was learned from one tool's recordings scores another's of the same program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use common::{Workplace, normal_calls, odd_calls, strace_text, succeed};
use idiolect_trace::{Abi, CallName, table};

/// How a tool writes the beginning of a program, a call, and the call that ends it.
struct Tool {
    name: &'static str,
    exec: &'static str,
    /// `NAME`, `NR` and `TIME` stand for the call.
    call: &'static str,
    last: &'static str,
}

const TOOLS: [Tool; 8] = [
    Tool {
        name: "sysdig",
        exec: "1 16:17:57.000000001 0 made-up (7) > execve filename=/usr/bin/made-up \n2 16:17:57.000000002 0 made-up (7) < execve res=0 exe=made-up tid=7(made-up) pid=7(made-up) \n",
        call: "3 16:17:57.TIME 0 made-up (7) > NAME fd=3 \n4 16:17:57.TIME 0 made-up (7) < NAME res=3 \n",
        last: "3 16:17:57.TIME 0 made-up (7) > NAME \n4 16:17:57.TIME 0 made-up (7) > procexit status=0 \n",
    },
    Tool {
        name: "lid-ds-2021",
        exec: "1600000000000000001 0 7 made-up 7 execve > filename=/usr/bin/made-up \n1600000000000000002 0 7 made-up 7 execve < res=0 exe=made-up \n",
        call: "1600000000TIME 0 7 made-up 7 NAME > fd=3 \n1600000000TIME 0 7 made-up 7 NAME < res=3 \n",
        last: "1600000000TIME 0 7 made-up 7 NAME > \n",
    },
    Tool {
        name: "sysdig-json",
        exec: "{\"evt.dir\":\">\",\"evt.info\":\"filename=/usr/bin/made-up \",\"evt.type\":\"execve\",\"thread.tid\":7}\n{\"evt.dir\":\"<\",\"evt.info\":\"res=0 \",\"evt.type\":\"execve\",\"thread.tid\":7}\n",
        call: "{\"evt.dir\":\">\",\"evt.info\":\"\",\"evt.type\":\"NAME\",\"thread.tid\":7}\n{\"evt.dir\":\"<\",\"evt.info\":\"res=3 \",\"evt.type\":\"NAME\",\"thread.tid\":7}\n",
        last: "{\"evt.dir\":\">\",\"evt.info\":\"\",\"evt.type\":\"NAME\",\"thread.tid\":7}\n",
    },
    Tool {
        name: "perf-trace",
        exec: "         ? (         ): made-up/7  ... [continued]: execve())  = 0\n",
        call: "     0.071 ( 0.020 ms): made-up/7 NAME(fd: 3)  = 3\n",
        last: "     0.071 (         ): made-up/7 NAME()  = ?\n",
    },
    Tool {
        name: "perf-script",
        exec: "made-up 7 [000] 5.000001: raw_syscalls:sys_exit: NR 59 = 0\n",
        call: "made-up 7 [000] 5.000002: raw_syscalls:sys_enter: NR NR (3, 0)\nmade-up 7 [000] 5.000003: raw_syscalls:sys_exit: NR NR = 3\n",
        last: "made-up 7 [000] 5.000002: raw_syscalls:sys_enter: NR NR (0)\n",
    },
    Tool {
        name: "ftrace",
        exec: "made-up-7 [000] ..... 5.000001: sys_execve(filename: 7ffd, argv: 0)\nmade-up-7 [000] ..... 5.000001: sys_execve -> 0x0\n",
        call: "made-up-7 [000] ..... 5.000002: sys_NAME(fd: 3)\nmade-up-7 [000] ..... 5.000003: sys_NAME -> 0x3\n",
        last: "made-up-7 [000] ..... 5.000002: sys_NAME(error_code: 0)\n",
    },
    Tool {
        name: "bpftrace",
        exec: "5 7 7 enter 59 x\n6 7 7 exec 7 /usr/bin/made-up\n6 7 7 exit 59 0\n",
        call: "7 7 7 enter NR made-up\n8 7 7 exit NR 3\n",
        last: "9 7 7 enter NR made-up\n9 7 7 end\n",
    },
    Tool {
        name: "lttng",
        exec: "[09:40:47.5] (+0.1) h syscall_entry_execve: { cpu_id = 2 }, { tid = 7 }, { filename = \"/usr/bin/made-up\" }\n[09:40:47.5] (+0.1) h syscall_exit_execve: { cpu_id = 2 }, { tid = 7 }, { ret = 0 }\n",
        call: "[09:40:47.5] (+0.1) h syscall_entry_NAME: { cpu_id = 2 }, { tid = 7 }, { fd = 3 }\n[09:40:47.5] (+0.1) h syscall_exit_NAME: { cpu_id = 2 }, { tid = 7 }, { ret = 3 }\n",
        last: "[09:40:47.5] (+0.1) h syscall_entry_NAME: { cpu_id = 2 }, { tid = 7 }, { status = 0 }\n",
    },
];

impl Tool {
    fn text(&self, calls: &[&'static str]) -> String {
        let mut text = self.exec.to_owned();
        for (place, call) in calls.iter().enumerate() {
            let number = table::number(Abi::X86_64, &CallName::from_static(call)).unwrap();
            let line = match *call {
                "exit_group" => self.last,
                _ => self.call,
            };
            let line = line
                .replace("NR NR", &format!("NR {number}"))
                .replace("enter NR", &format!("enter {number}"))
                .replace("exit NR", &format!("exit {number}"))
                .replace("NAME", call)
                .replace("TIME", &format!("{:09}", (place + 1) * 100_000));
            text.push_str(&line);
        }
        text
    }
}

/// The verdict and the score of each stream in a file.
fn scores(profile: &str, path: &str) -> Vec<(String, String, String)> {
    let ran = succeed(&["score", profile, path, "--abi", "x86_64", "--json"]);
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].to_string();
        (text("verdict"), text("score"), text("start"))
    };
    ran.out.lines().map(line).collect()
}

#[test]
fn a_profile_of_sysdig_scores_what_other_tools_recorded() {
    let place = Workplace::new(0);
    let sysdig = &TOOLS[0];
    for seed in 0..300 {
        let text = sysdig.text(&normal_calls(seed));
        place.write(&format!("normal/{seed:04}.txt"), text);
    }
    let profile = place.train("sysdig.idio", &["--abi", "x86_64"]);
    for (calls, verdict) in [
        (normal_calls(1_000), "normal"),
        (odd_calls(5_000), "anomalous"),
    ] {
        let own = place.write("run.txt", sysdig.text(&calls));
        let expected = scores(&profile, &own);
        assert_eq!(expected.len(), 1);
        assert_eq!(expected[0].0, format!("\"{verdict}\""));
        let strace = place.write("run.strace", strace_text(&calls));
        assert_eq!(scores(&profile, &strace), expected, "strace");
        for tool in &TOOLS {
            let path = place.write(&format!("run.{}", tool.name), tool.text(&calls));
            assert_eq!(scores(&profile, &path), expected, "{}", tool.name);
        }
    }
}
