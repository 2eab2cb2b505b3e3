// The master's orders, and what the worker reports.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  func report(_ report: WorkerReport) {
    do throws(SystemError) {
      _ = try control.send(report.bytes)
    } catch {
      masterIsGone()
    }
  }

  func receiveOrders() {
    // What comes beside an order finds its place, whatever else is open.
    missedOrders.spare = nil
    defer { keepSpareDescriptor() }
    while exitCode == nil {
      do throws(SystemError) {
        let (packet, isCut) = try control.receiveEvenIfCut()
        switch packet {
        case .message(let bytes, let descriptors):
          guard let order = WorkerOrder(bytes: bytes) else {
            errorLog.write(.error, "an order of the master was not understood")
            continue
          }
          isCut ? miss(order) : obey(order, descriptors)
        case .wouldBlock: return
        case .closed: return masterIsGone()
        }
      } catch {
        errorLog.write(.error, "control channel: \(error)")
        switch error.code {
        case SystemError.messageTooLong: continue
        // It is there still, and is reported again.
        case SystemError.noMemory, SystemError.noBufferSpace: return
        default: return masterIsGone()
        }
      }
    }
  }

  private func obey(_ order: WorkerOrder, _ descriptors: [Descriptor]) {
    switch order {
    case .serve(let identifiers):
      if !handover.isDraining { serve(identifiers) }
      report(.serving(served.sorted()))
    case .leave(let identifiers):
      leave(identifiers)
      report(.serving(served.sorted()))
    case .successor:
      guard let descriptor = descriptors.first else { return }
      addSuccessor(MessageSocket(descriptor))
    case .predecessor:
      guard let descriptor = descriptors.first else { return }
      addPredecessor(MessageSocket(descriptor))
    case .drain(let ending):
      beginDrain(ending: ending)
    case .resume(let epoch):
      resumeServing(epoch: epoch)
    case .reopenLogs:
      reopenLogs(descriptors)
    case .quit(let milliseconds):
      handover.deadline = milliseconds == 0 ? .max : now + Int64(milliseconds)
      beginDrain()
    case .stop:
      exitCode = 0
    case .certificates:
      takeCertificates(descriptors)
    case .staple:
      takeStaple(descriptors)
    case .namespace(let epoch):
      takeNamespace(epoch: epoch, descriptors.first)
    case .certificate(let answer):
      takeCertificate(answer, descriptors)
    case .cache(let order):
      if let descriptor = descriptors.first { beginLent(order, descriptor) }
    }
  }

  private func addPredecessor(_ channel: MessageSocket) {
    let index = handover.predecessors.count
    handover.predecessors.append(channel)
    watch(channel, Token.special(.predecessor, index))
  }

  func watch(_ channel: MessageSocket, _ token: UInt64) {
    do throws(SystemError) {
      try poller.add(channel.descriptor.number, token: token, interest: .readable)
    } catch {
      errorLog.write(.error, "\(error)")
    }
  }

  /// Nobody supervises us any more: finish what is in flight and leave, so that a new master finds
  /// the ports free (DESIGN 2).
  private func masterIsGone() {
    poller.remove(control.descriptor.number)
    guard !handover.isOrphaned else { return }
    handover.isOrphaned = true
    errorLog.write(.notice, "the master is gone; this worker finishes its requests and exits")
    handover.deadline = min(handover.deadline, now + Limits.orphanMilliseconds)
    beginDrain()
    // A new master must find the ports free, and nobody must wait in a queue that nobody serves.
    for listener in listeners { Descriptor.close(listener.descriptor.number) }
  }
}
