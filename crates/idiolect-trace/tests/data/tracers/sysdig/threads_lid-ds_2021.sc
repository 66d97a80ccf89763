1700000000000003000 0 27966 threads 27966 execve < res=0 exe=threads args= tid=27966(threads) pid=27966(threads) ptid=1(init) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=threads cgroups= env= tty=0 pgid=0 loginuid=0 flags=0 
1700000000000613000 0 27966 threads 27966 brk > addr=0 
1700000000000614000 0 27966 threads 27966 brk < res=19794000 vm_size=0 vm_rss=0 vm_swap=0 
1700000000000614000 0 27966 threads 27966 brk > addr=19794D40 
1700000000000616000 0 27966 threads 27966 brk < res=19794D40 vm_size=0 vm_rss=0 vm_swap=0 
1700000000000620000 0 27966 threads 27966 arch_prctl > 
1700000000000620000 0 27966 threads 27966 arch_prctl < 
1700000000000621000 0 27966 threads 27966 set_tid_address > 
1700000000000621000 0 27966 threads 27966 set_tid_address < 
1700000000000621000 0 27966 threads 27966 set_robust_list > 
1700000000000622000 0 27966 threads 27966 set_robust_list < 
1700000000000622000 0 27966 threads 27966 <unknown> > 
1700000000000623000 0 27966 threads 27966 <unknown> < 
1700000000000628000 0 27966 threads 27966 prlimit > pid=0 resource=3(RLIMIT_STACK) 
1700000000000629000 0 27966 threads 27966 prlimit < res=0 newcur=0 newmax=0 oldcur=0 oldmax=0 
1700000000000631000 0 27966 threads 27966 readlink > 
1700000000000644000 0 27966 threads 27966 readlink < 
1700000000000645000 0 27966 threads 27966 getrandom > 
1700000000000646000 0 27966 threads 27966 getrandom < 
1700000000000648000 0 27966 threads 27966 brk > addr=0 
1700000000000649000 0 27966 threads 27966 brk < res=19794D40 vm_size=0 vm_rss=0 vm_swap=0 
1700000000000649000 0 27966 threads 27966 brk > addr=197B5D40 
1700000000000651000 0 27966 threads 27966 brk < res=197B5D40 vm_size=0 vm_rss=0 vm_swap=0 
1700000000000651000 0 27966 threads 27966 brk > addr=197B6000 
1700000000000652000 0 27966 threads 27966 brk < res=197B6000 vm_size=0 vm_rss=0 vm_swap=0 
1700000000000673000 0 27966 threads 27966 mprotect > addr=4B6000 length=16384 prot=1(PROT_READ) 
1700000000000679000 0 27966 threads 27966 mprotect < res=0 
1700000000000682000 0 27966 threads 27966 rt_sigaction > 
1700000000000683000 0 27966 threads 27966 rt_sigaction < 
1700000000000683000 0 27966 threads 27966 rt_sigprocmask > 
1700000000000684000 0 27966 threads 27966 rt_sigprocmask < 
1700000000000684000 0 27966 threads 27966 mmap > addr=0 length=8392704 prot=0(PROT_NONE) flags=131106(MAP_PRIVATE|MAP_RENAME) fd=4294967295 offset=0 
1700000000000690000 0 27966 threads 27966 mmap < res=7FF626893000 vm_size=0 vm_rss=0 vm_swap=0 
1700000000000690000 0 27966 threads 27966 mprotect > addr=7FF626894000 length=8388608 prot=3(PROT_READ|PROT_WRITE) 
1700000000000693000 0 27966 threads 27966 mprotect < res=0 
1700000000000699000 0 27966 threads 27966 rt_sigprocmask > 
1700000000000700000 0 27966 threads 27966 rt_sigprocmask < 
1700000000000701000 0 27966 threads 27966 clone3 > 
1700000000000894000 0 27966 threads 27966 clone3 < res=27972 exe=threads args= tid=27966(threads) pid=27966(threads) ptid=1(init) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=threads cgroups= flags=8436227(CLONE_FILES|CLONE_FS|CLONE_PARENT_SETTID|CLONE_SIGHAND|CLONE_SYSVSEM|CLONE_THREAD|CLONE_VM|CLONE_CHILD_CLEARTID) uid=0 gid=0 vtid=0 vpid=0 
1700000000000897000 0 27966 threads 27972 clone3 < res=0 exe=threads args= tid=27972(threads) pid=27966(threads) ptid=27966(threads) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=threads cgroups= flags=8436227(CLONE_FILES|CLONE_FS|CLONE_PARENT_SETTID|CLONE_SIGHAND|CLONE_SYSVSEM|CLONE_THREAD|CLONE_VM|CLONE_CHILD_CLEARTID) uid=0 gid=0 vtid=0 vpid=0 
1700000000000897000 0 27966 threads 27972 <unknown> > 
1700000000000898000 0 27966 threads 27972 <unknown> < 
1700000000000898000 0 27966 threads 27972 set_robust_list > 
1700000000000899000 0 27966 threads 27972 set_robust_list < 
1700000000000899000 0 27966 threads 27972 rt_sigprocmask > 
1700000000000899000 0 27966 threads 27972 rt_sigprocmask < 
1700000000000900000 0 27966 threads 27972 openat > dirfd=4294967196 name= flags=1(O_RDONLY) mode=0 
1700000000000908000 0 27966 threads 27972 openat < fd=3(<f><UNKNOWN>) dirfd=0 name= flags=0(O_NONE) mode=0 dev=0 
1700000000000908000 0 27966 threads 27972 write > fd=3(<f><UNKNOWN>) size=4781062 
1700000000000909000 0 27966 threads 27972 write < res=1 data=hello. 
1700000000000909000 0 27966 threads 27972 close > fd=3(<f><UNKNOWN>) 
1700000000000910000 0 27966 threads 27972 close < res=0 
1700000000000911000 0 27966 threads 27972 openat > dirfd=4294967196 name= flags=1(O_RDONLY) mode=0 
1700000000000912000 0 27966 threads 27972 openat < fd=3(<f><UNKNOWN>) dirfd=0 name= flags=0(O_NONE) mode=0 dev=0 
1700000000000912000 0 27966 threads 27972 write > fd=3(<f><UNKNOWN>) size=4781062 
1700000000000912000 0 27966 threads 27972 write < res=1 data=hello. 
1700000000000913000 0 27966 threads 27972 close > fd=3(<f><UNKNOWN>) 
1700000000000913000 0 27966 threads 27972 close < res=0 
1700000000000913000 0 27966 threads 27972 openat > dirfd=4294967196 name= flags=1(O_RDONLY) mode=0 
1700000000000914000 0 27966 threads 27972 openat < fd=3(<f><UNKNOWN>) dirfd=0 name= flags=0(O_NONE) mode=0 dev=0 
1700000000000915000 0 27966 threads 27972 write > fd=3(<f><UNKNOWN>) size=4781062 
1700000000000915000 0 27966 threads 27972 write < res=1 data=hello. 
1700000000000916000 0 27966 threads 27972 close > fd=3(<f><UNKNOWN>) 
1700000000000916000 0 27966 threads 27972 close < res=0 
1700000000000916000 0 27966 threads 27972 getppid > 
1700000000000917000 0 27966 threads 27972 getppid < 
1700000000000918000 0 27966 threads 27972 rt_sigprocmask > 
1700000000000919000 0 27966 threads 27972 rt_sigprocmask < 
1700000000000919000 0 27966 threads 27972 madvise > 
1700000000000921000 0 27966 threads 27972 madvise < 
1700000000000922000 0 27966 threads 27972 exit > 
1700000000000925000 0 27966 threads 27972 procexit > status=0 ret=0 sig=0 core=0 
1700000000000991000 0 27966 threads 27966 rt_sigprocmask > 
1700000000000991000 0 27966 threads 27966 rt_sigprocmask < 
1700000000000993000 0 27966 threads 27966 rt_sigprocmask > 
1700000000000993000 0 27966 threads 27966 rt_sigprocmask < 
1700000000000993000 0 27966 threads 27966 clone3 > 
1700000000001094000 0 27966 threads 27966 clone3 < res=27973 exe=threads args= tid=27966(threads) pid=27966(threads) ptid=1(init) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=threads cgroups= flags=8436227(CLONE_FILES|CLONE_FS|CLONE_PARENT_SETTID|CLONE_SIGHAND|CLONE_SYSVSEM|CLONE_THREAD|CLONE_VM|CLONE_CHILD_CLEARTID) uid=0 gid=0 vtid=0 vpid=0 
1700000000001095000 0 27966 threads 27966 rt_sigprocmask > 
1700000000001095000 0 27966 threads 27966 rt_sigprocmask < 
1700000000001096000 0 27966 threads 27966 futex > addr=7FF627093990 op=265(FUTEX_CLOCK_REALTIME|FUTEX_WAIT_BITSET) val=27973 
1700000000001098000 0 27966 threads 27973 clone3 < res=0 exe=threads args= tid=27973(threads) pid=27966(threads) ptid=27966(threads) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=threads cgroups= flags=8436227(CLONE_FILES|CLONE_FS|CLONE_PARENT_SETTID|CLONE_SIGHAND|CLONE_SYSVSEM|CLONE_THREAD|CLONE_VM|CLONE_CHILD_CLEARTID) uid=0 gid=0 vtid=0 vpid=0 
1700000000001099000 0 27966 threads 27973 <unknown> > 
1700000000001099000 0 27966 threads 27973 <unknown> < 
1700000000001100000 0 27966 threads 27973 set_robust_list > 
1700000000001100000 0 27966 threads 27973 set_robust_list < 
1700000000001100000 0 27966 threads 27973 rt_sigprocmask > 
1700000000001101000 0 27966 threads 27973 rt_sigprocmask < 
1700000000001101000 0 27966 threads 27973 openat > dirfd=4294967196 name= flags=1(O_RDONLY) mode=0 
1700000000001102000 0 27966 threads 27973 openat < fd=3(<f><UNKNOWN>) dirfd=0 name= flags=0(O_NONE) mode=0 dev=0 
1700000000001103000 0 27966 threads 27973 write > fd=3(<f><UNKNOWN>) size=4781062 
1700000000001103000 0 27966 threads 27973 write < res=1 data=hello. 
1700000000001104000 0 27966 threads 27973 close > fd=3(<f><UNKNOWN>) 
1700000000001104000 0 27966 threads 27973 close < res=0 
1700000000001105000 0 27966 threads 27973 openat > dirfd=4294967196 name= flags=1(O_RDONLY) mode=0 
1700000000001106000 0 27966 threads 27973 openat < fd=3(<f><UNKNOWN>) dirfd=0 name= flags=0(O_NONE) mode=0 dev=0 
1700000000001106000 0 27966 threads 27973 write > fd=3(<f><UNKNOWN>) size=4781062 
1700000000001106000 0 27966 threads 27973 write < res=1 data=hello. 
1700000000001107000 0 27966 threads 27973 close > fd=3(<f><UNKNOWN>) 
1700000000001107000 0 27966 threads 27973 close < res=0 
1700000000001107000 0 27966 threads 27973 openat > dirfd=4294967196 name= flags=1(O_RDONLY) mode=0 
1700000000001108000 0 27966 threads 27973 openat < fd=3(<f><UNKNOWN>) dirfd=0 name= flags=0(O_NONE) mode=0 dev=0 
1700000000001109000 0 27966 threads 27973 write > fd=3(<f><UNKNOWN>) size=4781062 
1700000000001109000 0 27966 threads 27973 write < res=1 data=hello. 
1700000000001109000 0 27966 threads 27973 close > fd=3(<f><UNKNOWN>) 
1700000000001110000 0 27966 threads 27973 close < res=0 
1700000000001110000 0 27966 threads 27973 getppid > 
1700000000001111000 0 27966 threads 27973 getppid < 
1700000000001111000 0 27966 threads 27973 rt_sigprocmask > 
1700000000001111000 0 27966 threads 27973 rt_sigprocmask < 
1700000000001112000 0 27966 threads 27973 madvise > 
1700000000001113000 0 27966 threads 27973 madvise < 
1700000000001113000 0 27966 threads 27973 exit > 
1700000000001114000 0 27966 threads 27973 procexit > status=0 ret=0 sig=0 core=0 
1700000000001132000 0 27966 threads 27966 futex < res=0 
1700000000001133000 0 27966 threads 27966 clone > 
1700000000001258000 0 27966 threads 27966 clone < res=27974 exe=threads args= tid=27966(threads) pid=27966(threads) ptid=1(init) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=threads cgroups= flags=25165824(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID) uid=0 gid=0 vtid=0 vpid=0 
1700000000001265000 0 27974 threads 27974 clone < res=0 exe=threads args= tid=27974(threads) pid=27974(threads) ptid=27966(threads) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=threads cgroups= flags=25165824(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID) uid=0 gid=0 vtid=0 vpid=0 
1700000000001269000 0 27974 threads 27974 set_robust_list > 
1700000000001269000 0 27974 threads 27974 set_robust_list < 
1700000000001290000 0 27974 threads 27974 execve > filename=/tmp/demo/done 
1700000000001361000 0 27974 done 27974 execve < res=0 exe=done args= tid=27974(done) pid=27974(done) ptid=27966(threads) cwd= fdlimit=0 pgft_maj=0 pgft_min=0 vm_size=0 vm_rss=0 vm_swap=0 comm=done cgroups= env= tty=0 pgid=0 loginuid=0 flags=0 
1700000000001454000 0 27966 threads 27966 wait4 > 
1700000000001983000 0 27974 done 27974 brk > addr=0 
1700000000001983000 0 27974 done 27974 brk < res=2D943000 vm_size=0 vm_rss=0 vm_swap=0 
1700000000001984000 0 27974 done 27974 brk > addr=2D943D00 
1700000000001986000 0 27974 done 27974 brk < res=2D943D00 vm_size=0 vm_rss=0 vm_swap=0 
1700000000001990000 0 27974 done 27974 arch_prctl > 
1700000000001990000 0 27974 done 27974 arch_prctl < 
1700000000001990000 0 27974 done 27974 set_tid_address > 
1700000000001991000 0 27974 done 27974 set_tid_address < 
1700000000001991000 0 27974 done 27974 set_robust_list > 
1700000000001992000 0 27974 done 27974 set_robust_list < 
1700000000001992000 0 27974 done 27974 <unknown> > 
1700000000001992000 0 27974 done 27974 <unknown> < 
1700000000001997000 0 27974 done 27974 prlimit > pid=0 resource=3(RLIMIT_STACK) 
1700000000001998000 0 27974 done 27974 prlimit < res=0 newcur=0 newmax=0 oldcur=0 oldmax=0 
1700000000002000000 0 27974 done 27974 readlink > 
1700000000002015000 0 27974 done 27974 readlink < 
1700000000002017000 0 27974 done 27974 getrandom > 
1700000000002018000 0 27974 done 27974 getrandom < 
1700000000002020000 0 27974 done 27974 brk > addr=0 
1700000000002020000 0 27974 done 27974 brk < res=2D943D00 vm_size=0 vm_rss=0 vm_swap=0 
1700000000002021000 0 27974 done 27974 brk > addr=2D964D00 
1700000000002022000 0 27974 done 27974 brk < res=2D964D00 vm_size=0 vm_rss=0 vm_swap=0 
1700000000002022000 0 27974 done 27974 brk > addr=2D965000 
1700000000002023000 0 27974 done 27974 brk < res=2D965000 vm_size=0 vm_rss=0 vm_swap=0 
1700000000002042000 0 27974 done 27974 mprotect > addr=4A0000 length=16384 prot=1(PROT_READ) 
1700000000002046000 0 27974 done 27974 mprotect < res=0 
1700000000002060000 0 27974 done 27974 exit_group > 
1700000000002064000 0 27974 done 27974 procexit > status=0 ret=0 sig=0 core=0 
1700000000002118000 0 27966 threads 27966 wait4 < 
1700000000002119000 0 27966 threads 27966 access > mode=4767773(R_OK|X_OK) 
1700000000002120000 0 27966 threads 27966 access < res=-2(ENOENT) name=(/tmp/demo) 
1700000000002125000 0 27966 threads 27966 exit_group > 
1700000000002127000 0 27966 threads 27966 procexit > status=0 ret=0 sig=0 core=0 
