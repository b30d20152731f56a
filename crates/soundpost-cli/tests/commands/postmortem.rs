//! `soundpost postmortem`, where no agent watched.

use crate::some;

#[test]
fn crash_without_agent_is_read_from_the_store() {
    let directory = some();
    insta::assert_snapshot!(directory.run(&["postmortem"]).good(), @r"
    speech died at 2026-01-02 03:04:06
      cause unknown: no agent watched
      1 call in flight: synthesize req-3, for 942 ms, in stage vocoder
      host: cpu 25 %, memory 8.0 GiB
      GPU 0: busy 90 %, memory 20.0 GiB, NVIDIA H200

    Calls in flight
    request id  operation   labels          for  stage    chunks  audio  process
    req-3       synthesize  emotion=sad  942 ms  vocoder       3  4.5 s       77

    The minute before
    before   cpu  host memory  GPU busy  GPU memory
    56.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    51.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    46.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    41.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    36.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    31.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    26.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    21.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    16.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    11.0 s  25 %      8.0 GiB  90 %      20.0 GiB
     6.0 s  25 %      8.0 GiB  90 %      20.0 GiB
     1.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    ");
}
