// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Handler} from "./Handler.sol";
import {vm} from "./Net.sol";

/// @title Calls that must be refused, whoever makes them
contract Attacks is Handler {
    constructor() {
        _deploy();
        _populate();
        for (uint256 i = 0; i + 1 < NODES; ++i) {
            registerNode(i);
        }
        for (uint256 i = 0; i < OWNERS; ++i) {
            createNamespace(i | ((3 * i + 1) << 8));
        }
    }

    function _refused(address sender, bytes memory data, bytes4 expected) private {
        (bool ok, bytes4 why) = _send(sender, data);
        require(!ok, "an attack succeeded");
        require(expected == 0 || why == expected, "refused for another reason");
    }

    /// @dev A change of `file` as its owner would make it.
    function _change(bytes32 file, Record memory record, uint256 kind, uint256 seed)
        private
        view
        returns (bytes memory data)
    {
        if (kind == 0) (data,,) = _renewal(file, record, seed);
        if (kind == 1) (data,) = _renaming(file, record, seed);
        if (kind == 2) (data,,,) = _moving(file, record, seed);
        if (kind == 3) (data,,) = _extending(file, record, seed);
        if (kind == 4) (data,) = _shrinking(file, record);
        if (kind == 5) data = abi.encodeCall(registry.deleteFile, (file));
    }

    function changeOfAnother(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        address sender = owners[(seed >> 8) % OWNERS];
        if (sender == models[file].owner) sender = nodes[(seed >> 8) % NODES];
        bytes memory data = _change(file, record, (seed >> 16) % 6, seed >> 32);
        _refused(sender, data, NotAllowed.selector);
    }

    /// @dev The owner's change of a record that is no longer the present one.
    function changeOfFormerRecord(uint256 seed) external {
        (bytes32 file,) = _some(seed);
        FileModel storage model = models[file];
        vm.assume(model.stale.length != 0 && keccak256(model.stale) != keccak256(model.record));
        Record memory record = abi.decode(model.stale, (Record));
        bytes memory data = _change(file, record, (seed >> 16) % 5, seed >> 32);
        _refused(model.owner, data, _isLive(file) ? Version.selector : bytes4(0));
    }

    /// @dev A second slot for a node that has one.
    function slotForAHolder(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        uint256 total = record.places.length;
        vm.assume(total > 1 && record.redundancy.coding == 1 && _isLive(file));
        uint64 slot = uint64((seed >> 32) % total + 1);
        address node = record.places[slot % total].node;
        Holder memory h = _alike(record.places[slot - 1], node, seed >> 64, models[file].expiry);
        _signed(file, slot, record.root, record.version + 1, h);
        bytes memory data = abi.encodeCall(registry.move, (file, record, slot, h));
        _refused(models[file].owner, data, Holders.selector);
        vm.assume(total < _parameters().maxSlots);
        _refused(models[file].owner, _extension(file, record, h), Holders.selector);
    }

    /// @dev Extends the file by `h`, signed as it must be.
    function _extension(bytes32 file, Record memory record, Holder memory h)
        private
        view
        returns (bytes memory)
    {
        uint256 total = record.places.length;
        bytes32[] memory before = _leavesOf(models[file].manifest, record.places);
        bytes32[] memory leaves = new bytes32[](total + 2);
        for (uint256 i = 0; i <= total; ++i) {
            leaves[i] = before[i];
        }
        leaves[total + 1] = h.root;
        _signed(file, uint64(total + 1), _rootOf(leaves), record.version + 1, h);
        bytes32[] memory siblings = _siblings(before, total + 1);
        return abi.encodeCall(registry.extend, (file, record, h, siblings));
    }

    function changeOfUnknownFile(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        bytes32 unknown = keccak256(abi.encode(file));
        uint64 later = models[file].expiry + 1e6;
        _refused(
            models[file].owner,
            abi.encodeCall(registry.renew, (unknown, record, later, new Renewal[](0))),
            FileUnknown.selector
        );
        bytes memory data = abi.encodeCall(registry.release, (unknown, record));
        _refused(models[file].owner, data, FileUnknown.selector);
    }

    function surrenderOfAnother(uint256 seed) external {
        address node = nodes[seed % NODES];
        vm.assume(segments[node].length != 0);
        Held memory held = _held(node, (seed >> 32) % segments[node].length);
        bytes memory data = abi.encodeCall(registry.surrender, (node, held));
        address other = nodes[(seed % NODES + 1) % NODES];
        _refused(seed & 0x100 == 0 ? other : owners[0], data, NotAllowed.selector);
        held.leaves += 1;
        _refused(node, abi.encodeCall(registry.surrender, (node, held)), Slot.selector);
    }

    function stateOfUnknownNode(uint256 seed) external {
        address sender = owners[seed % OWNERS];
        bytes memory data = abi.encodeCall(registry.setNodeState, (uint8(1 + (seed >> 8) % 4)));
        _refused(sender, data, NodeUnknown.selector);
        _refused(sender, abi.encodeCall(registry.resign, ()), NodeUnknown.selector);
    }

    /// @dev A call that would be taken, but for one thing.
    function wrongFile(uint256 seed) external {
        address owner = owners[seed % OWNERS];
        NewFile[] memory fresh = new NewFile[](1);
        NewFile memory one = fresh[0] = _newFile(owner, uint64(seed >> 8));
        vm.assume(one.holders.length != 0 && one.holders.length == one.redundancy.total);
        uint256 kind = (seed >> 80) % 16;
        uint256 which = (seed >> 96) % one.holders.length;
        _spoil(owner, one, one.holders[which], kind);
        _signNew(_fileId(owner, one.nonce), one);
        if (kind > 10) _spoilSignature(_fileId(owner, one.nonce), one, which, kind);
        _refused(owner, abi.encodeCall(registry.publish, (fresh)), 0);
    }

    function _spoil(address owner, NewFile memory one, Holder memory h, uint256 kind) private view {
        if (kind == 0) h.validUntil = _now() - 1;
        if (kind == 1) h.validUntil = _now() + 301;
        if (kind == 2) h.latestExpiry = one.expiry - 1;
        if (kind == 3) h.leaves = h.size + 1;
        if (kind == 4) h.replicaLeaves = h.leaves + 1;
        if (kind == 5) h.size = h.leaves * 256 + 1;
        if (kind == 6) one.redundancy.total += 1;
        if (kind == 7) one.expiry = _now();
        if (kind == 8) one.holders = _twice(one.holders);
        if (kind == 9) one.namespace = bytes32(TAGS + 1);
        if (kind == 10) one.replaces = _foreign(owner);
    }

    function _spoilSignature(bytes32 file, NewFile memory one, uint256 which, uint256 kind)
        private
        view
    {
        bytes32 root = _rootOfNew(one);
        uint64 slot = uint64(which + 1);
        Holder memory h = one.holders[which];
        uint256 s = uint256(h.vs) & uint256(type(int256).max);
        if (kind == 11) h.vs = bytes32((ORDER - s) | (~uint256(h.vs) >> 255 << 255));
        if (kind == 12) h.vs ^= bytes32(uint256(1) << 255);
        if (kind == 13) _signed(file, slot + 1, root, 1, h);
        if (kind == 14) _signed(file, slot, root, 2, h);
        if (kind == 15) _sign(5, _receipt(file, slot, root, 1, h), h);
    }

    function _twice(Holder[] memory holders) private pure returns (Holder[] memory) {
        if (holders.length == 1) return new Holder[](0);
        holders[1].node = holders[0].node;
        return holders;
    }

    /// @dev A live file of somebody else, or one that nobody published.
    function _foreign(address owner) private view returns (bytes32) {
        for (uint256 i = 0; i < files.length; ++i) {
            if (models[files[i]].owner != owner && _isLive(files[i])) return files[i];
        }
        return "nobody's";
    }
}
