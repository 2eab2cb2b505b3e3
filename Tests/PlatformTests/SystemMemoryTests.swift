// What the system says of memory and of huge pages, from texts as the kernel writes them.

import Testing

@testable import Platform

@Suite struct SystemMemoryTests {
  private static let mebibyte = 1 << 20

  private func availableMebibytes(_ files: [String: String]) -> Int {
    let files = files.merging(
      ["/proc/meminfo": "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\n"]
    ) { one, _ in one }
    return SystemMemory.availableBytes { Array((files[$0] ?? "").utf8) } / Self.mebibyte
  }

  @Test func `without a control group's limit it is what the kernel calls available`() {
    #expect(availableMebibytes([:]) == 4096)
    #expect(availableMebibytes(["/sys/fs/cgroup/memory.max": "max\n"]) == 4096)
    #expect(availableMebibytes(["/proc/self/cgroup": "0::/\n"]) == 4096)
    #expect(availableMebibytes(["/proc/meminfo": ""]) == 0)
  }

  @Test func `the container's own root group limits it`() {
    let files = [
      "/sys/fs/cgroup/memory.max": "1073741824\n", "/sys/fs/cgroup/memory.current": "268435456\n",
    ]
    #expect(availableMebibytes(files) == 768)
    // The host's path says nothing inside.
    #expect(
      availableMebibytes(files.merging(["/proc/self/cgroup": "0::/docker/abc\n"]) { one, _ in one })
        == 768)
  }

  @Test func `the least limit of a service, its slice and all above counts`() {
    let slice = "/sys/fs/cgroup/system.slice"
    let files = [
      "/proc/self/cgroup": "1:name=systemd:/x\n0::/system.slice/ring3d.service\n",
      "\(slice)/ring3d.service/memory.max": "max\n",
      "\(slice)/ring3d.service/memory.high": "2147483648\n",
      "\(slice)/ring3d.service/memory.current": "1073741824\n",
      "\(slice)/ring3d.service/memory.stat": "anon 1\ninactive_file 536870912\nactive_file 9\n",
      "\(slice)/memory.max": "3221225472\n", "\(slice)/memory.current": "0\n",
    ]
    // 2048 - (1024 - 512); the slice would let it have 3072.
    #expect(availableMebibytes(files) == 1536)
    #expect(
      availableMebibytes(files.merging(["\(slice)/memory.max": "1048576\n"]) { _, new in new }) == 1
    )
  }

  @Test func `control groups of version 1 limit it too`() {
    let group = "/sys/fs/cgroup/memory/docker/abc"
    var files = [
      "/proc/self/cgroup": "9:cpu,memory:/docker/abc\n8:pids:/docker/abc\n",
      "\(group)/memory.limit_in_bytes": "536870912\n",
      "\(group)/memory.usage_in_bytes": "134217728\n",
      "\(group)/memory.stat": "inactive_file 1\ntotal_inactive_file 67108864\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    ]
    #expect(availableMebibytes(files) == 448)
    files["\(group)/memory.usage_in_bytes"] = "999999999999\n"
    files["\(group)/memory.stat"] = ""
    #expect(availableMebibytes(files) == 0)
  }

  private func offer(
    _ wish: HugePagesWish, _ text: String, options: String = "rw,size=1G,inode64"
  ) -> HugePages {
    HugePages.offered(wish) { path in
      let mounts = """
        22 1 8:1 / / rw - ext4 /dev/sda1 rw
        30 22 0:26 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs \(options)
        31 22 0:27 / /dev/shm2 rw - tmpfs tmpfs rw,huge=always

        """
      return Array((path == "/proc/self/mountinfo" ? mounts : text).utf8)
    }
  }

  @Test func `huge pages are offered by the mount, unless the kernel denies or forces them`() {
    let usual = "always within_size advise [never] deny force\n"
    guard case .refused(let reason) = offer(.on, usual) else {
      Issue.record("a mount without the option has none")
      return
    }
    #expect(reason.contains("mount -o remount,huge=advise /dev/shm"))
    for value in ["advise", "within_size", "always"] {
      #expect(offer(.auto, usual, options: "rw,huge=\(value)") == .inEffect)
      #expect(offer(.off, usual, options: "rw,huge=\(value)") == .off)
    }
    #expect(offer(.auto, usual, options: "rw,huge=never") == offer(.on, usual))
    let denied = offer(.on, "always advise never [deny] force\n", options: "rw,huge=always")
    guard case .refused(let denial) = denied else {
      Issue.record("deny stands above all mounts")
      return
    }
    #expect(denial.contains("shmem_enabled"))
    #expect(offer(.auto, "always never deny [force]\n") == .inEffect)
    guard case .refused(let none) = offer(.auto, "") else {
      Issue.record("a kernel without huge pages offers none")
      return
    }
    #expect(none.contains("is missing"))
  }
}
