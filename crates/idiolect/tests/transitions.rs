//! Which call follows which, counted and modelled.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::fs;

use common::{Workplace, fail, masked, odd_calls, run, strace_text, succeed};

#[test]
fn traces_alone_are_counted() {
    let place = Workplace::new(60);
    let normal = place.path("normal");
    let ran = succeed(&["transitions", &normal]);
    insta::assert_snapshot!(ran.out, @r#"
    after           times  next         counted
    read              973  read            66 %
                           write           34 %
    close             458  openat          36 %
                           newfstatat      19 %
                           read            16 %
                           socket          16 %
                           exit_group      13 %
    write             326  close          100 %
    openat            314  read            53 %
                           fstat           47 %
    fstat             148  read            59 %
                           mmap            41 %
    mmap              120  access          50 %
                           close           50 %
    newfstatat         88  openat         100 %
    connect            72  sendto         100 %
    recvfrom           72  close          100 %
    sendto             72  recvfrom       100 %
    socket             72  connect        100 %
    <exec>             60  brk            100 %
    access             60  openat         100 %
    brk                60  mmap           100 %
    "#);
    insta::assert_snapshot!(ran.err, @"counted in 60 streams of 2,895 calls; 14 contexts of 1 call");

    let pruned = succeed(&[
        "transitions",
        &normal,
        "--order",
        "2",
        "--top",
        "3",
        "--min-probability",
        "40%",
    ]);
    insta::assert_snapshot!(pruned.out, @r#"
    after            times  next    counted
    read read          647  read       59 %
                            write      41 %
    read write         326  close     100 %
    write close        326  nothing as probable as --min-probability
    19 contexts not shown (--top, --min-count)
    "#);
    let csv = succeed(&["transitions", &normal, "--csv", "--min-count", "300"]);
    insta::assert_snapshot!(csv.out, @r#"
    after,next,times,context_times,counted,modelled
    read,read,647,973,0.6649537512846866,
    read,write,326,973,0.33504624871531347,
    close,openat,166,458,0.3624454148471616,
    close,newfstatat,88,458,0.19213973799126638,
    close,read,72,458,0.1572052401746725,
    close,socket,72,458,0.1572052401746725,
    close,exit_group,60,458,0.13100436681222707,
    write,close,326,326,1,
    openat,read,166,314,0.5286624203821656,
    openat,fstat,148,314,0.4713375796178344,
    "#);
    let dot = succeed(&["transitions", &normal, "--dot", "--top", "2"]);
    insta::assert_snapshot!(dot.out, @r#"
    digraph transitions {
      rankdir=LR;
      node [shape=box, style=rounded, fontname="sans-serif"];
      edge [fontname="sans-serif", fontsize=10];
      "read" [label="read\n973"];
      "close" [label="close\n458"];
      "read" -> "read" [label="66 %", penwidth=3.16];
      "read" -> "write" [label="34 %", penwidth=1.84];
      "close" -> "openat" [label="36 %", penwidth=1.95];
      "close" -> "newfstatat" [label="19 %", penwidth=1.27];
      "close" -> "read" [label="16 %", penwidth=1.13];
      "close" -> "socket" [label="16 %", penwidth=1.13];
      "close" -> "exit_group" [label="13 %", penwidth=1.02];
    }
    "#);
}

#[test]
fn unlikely_steps_are_marked_and_unseen_contexts_said() {
    let place = Workplace::new(60);
    let normal = place.path("normal");
    let odd = place.write("odd.strace", strace_text(&odd_calls(7)));
    // A name that a terminal would obey, if it were printed as it is.
    let escape = place.write("\u{1b}[2Jodd.strace", strace_text(&odd_calls(8)));
    let ran = succeed(&["transitions", &normal, "--top", "1", "--mark", &odd]);
    let marks = ran.out.replace(&odd, "odd.strace");
    insta::assert_snapshot!(marks, @r#"
    after      times  next    counted
    read         973  read       66 %
                      write      34 %
    13 contexts not shown (--top, --min-count)

    of 75 calls in 1 stream, 4 have a counted probability below 1 %, and 6 follow a context that never stood
      odd.strace  call    34  read -> dup2  counted 0 of 973 (0 %)
      odd.strace  call    35  dup2 -> dup2  context never seen
      odd.strace  call    36  dup2 -> dup2  context never seen
      odd.strace  call    37  dup2 -> setuid  context never seen
      odd.strace  call    38  setuid -> execveat  context never seen
      odd.strace  call    39  execveat -> ptrace  context never seen
      odd.strace  call    40  ptrace -> close  context never seen
      odd.strace  call    41  close -> connect  counted 0 of 458 (0 %)
      odd.strace  call    42  connect -> write  counted 0 of 72 (0 %)
      odd.strace  call    43  write -> read  counted 0 of 326 (0 %)
    "#);

    let picture = place.path("graph.svg");
    let args = [
        "transitions",
        &normal,
        "--csv",
        "--mark",
        &odd,
        &escape,
        "--svg",
        &picture,
    ];
    let csv = succeed(&args);
    let marked: Vec<&str> = csv
        .out
        .lines()
        .filter(|line| !line.ends_with(",0") && !line.ends_with("marked"))
        .collect();
    insta::assert_snapshot!(marked.join("\n"), @r#"
    close,connect,0,458,0,,2
    connect,write,0,72,0,,2
    dup2,dup2,,0,,,4
    dup2,setuid,,0,,,2
    execveat,ptrace,,0,,,2
    ptrace,close,,0,,,2
    read,dup2,0,973,0,,2
    setuid,execveat,,0,,,2
    write,read,0,326,0,,2
    "#);
    let svg = fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("Which call follows which"));
    assert!(svg.contains("dup2") && svg.contains("from contexts that never stood"));
    // There is no probability to draw such a step by.
    assert!(!svg.contains("ptrace"), "{svg}");

    let listed = succeed(&["transitions", &normal, "--mark", &escape, "--marks", "2"]);
    assert!(listed.out.contains("more (--marks)"), "{}", listed.out);
    assert!(listed.out.chars().all(|c| c == '\n' || !c.is_control()));

    let dot = succeed(&["transitions", &normal, "--dot", "--mark", &odd]);
    assert!(
        dot.out
            .contains(r#""dup2" -> "dup2" [label="context never seen""#),
        "{}",
        dot.out
    );
    let json = succeed(&["transitions", &normal, "--json", "--mark", &odd]);
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(found["marks"]["steps"][0]["call"], "dup2");
    assert_eq!(found["marks"]["steps"][1]["likelihood"], "unseen_context");
    assert_eq!(found["marks"]["by"], "counted");
}

#[test]
fn a_profile_models_what_traces_count() {
    let place = Workplace::new(150);
    let normal = place.path("normal");
    let profile = place.path("app.idio");
    succeed(&["train", &normal, "-o", &profile, "--epochs", "60"]);

    let both = succeed(&["transitions", &normal, &profile, "--json"]);
    let both: serde_json::Value = serde_json::from_str(&both.out).unwrap();
    assert_eq!(both["times_are"], "counted");
    let mut compared = 0;
    for context in both["contexts"].as_array().unwrap() {
        if context["times"].as_u64().unwrap() < 150 {
            continue;
        }
        for next in context["next"].as_array().unwrap() {
            let of = |column: &str| next[column].as_f64().unwrap();
            // A model that has learned the program agrees with the count, about.
            assert!((of("counted") - of("modelled")).abs() < 0.1, "{context}");
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");

    let alone = succeed(&["transitions", &profile, "--top", "2"]);
    insta::assert_snapshot!(masked(&alone.err), @"modelled over # streams of # calls; # contexts of # call; drawn with seed #, at most # calls a stream");
    assert!(alone.out.starts_with("after"), "{}", alone.out);
    assert!(!alone.out.contains("counted"), "{}", alone.out);
    assert_eq!(
        succeed(&["transitions", &profile, "--top", "2"]).out,
        alone.out
    );

    let odd = place.write("odd.strace", strace_text(&odd_calls(7)));
    let by_model = succeed(&[
        "transitions",
        &profile,
        &normal,
        "--by",
        "modelled",
        "--mark",
        &odd,
        "--json",
    ]);
    let found: serde_json::Value = serde_json::from_str(&by_model.out).unwrap();
    assert!(
        found["marks"]["unlikely"].as_u64().unwrap() >= 1,
        "{}",
        found["marks"]
    );
    assert_eq!(found["marks"]["by"], "modelled");

    fail(
        &["transitions", &profile, &profile],
        "are both profiles: give one",
    );
    fail(
        &["transitions", &profile, "--by", "counted"],
        "give traces to count in",
    );
    fail(
        &["transitions", &normal, "--by", "modelled"],
        "give a profile too",
    );
    fail(&["transitions", &place.path("nothing")], "cannot open");
    assert_eq!(run(&["transitions", &normal, "--order", "5"]).code, 2);
    assert_eq!(run(&["transitions", &normal, "--csv", "--dot"]).code, 2);
}
